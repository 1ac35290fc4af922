"""Who asks a served model.

- batch: files of plays in, files of probabilities out (answer_files); outcome: what it did
- model_process, scorer: a model in a process of its own, with the code that it brings
- drift: how far plays are from those of training; summaries: the sums that tell it
- demo_server, demo_page: the page of `skipcast demo`; demo_shelf: what it offers; demo_session: a
  pasted session; demo_view, demo_listening: what it shows of a session and of a history
- server_process: a scoring server on a port of its own; proxy: nginx before it
- words: a prediction in words; sentences, history_sentences: the sentences
"""
