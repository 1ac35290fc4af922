"""The same stages on the workers of a Dask cluster: thin adapters that only the command line uses.

- cluster: a cluster of this machine, or one that runs; checks: whether its workers may do the work
- watch: which of its workers live; pool: the tasks of a stage on them
- gang: tasks that need each other and run together
- fits: a model of each family from parts that its workers read
"""
