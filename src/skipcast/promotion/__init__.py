"""Which model is champion: the stage `promote`.

- sources, answers: the test plays by parts, and what models answer; judge: the judgement of these
- gate: the decision
- registry, alias, ledger: versions, which one is champion, who decided what and when
- publish: carries a judgement out; card, reports, figures, listening: what people read
"""
