"""Which model is champion: the stage `promote`.

- answers, judge: what models answer for the test plays, and the judgement; gate: the decision
- registry, alias, ledger: versions, which one is champion, who decided what and when
- publish: carries a judgement out; card, reports, figures, listening: what people read
"""
