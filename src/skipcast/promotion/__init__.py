"""Which model is champion: the stage `promote`.

- sources, answers: the test plays by parts, and what models answer; judge: the judgement of these
- gate: the decision
- registry, alias, ledger: versions, which one is champion, who decided what and when
- version_files, signing: whether the files of a version are those that were registered
- checks: what must be there before a judgement; follow: a server that goes with the alias
- publish: carries a judgement out; card, reports, figures, listening: what people read
"""
