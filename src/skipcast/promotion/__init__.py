"""Which model is champion: the stage `promote`.

- answers, judge: what models answer for the test plays, and the judgement; gate: the decision
- registry, ledger, publish: versions, the alias, who decided what and when
- card, reports, figures: what people read
"""
