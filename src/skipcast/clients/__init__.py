"""Who asks a served model.

- batch: files of plays in, files of probabilities out; scorer: the process that runs a model
- drift: how far plays are from those of training
- demo_session, demo_server, demo_page: the page of `skipcast demo`
"""
