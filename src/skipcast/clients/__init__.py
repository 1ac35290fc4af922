"""Who asks a served model.

- batch: files of plays in, files of probabilities out
- model_process, scorer: a model in a process of its own, with the code that it brings
- drift: how far plays are from those of training
- demo_session, demo_server, demo_page: the page of `skipcast demo`
"""
