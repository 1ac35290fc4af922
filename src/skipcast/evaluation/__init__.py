"""How good predictions are.

- split: train, validation, test; metrics, challenge: scores; bootstrap: their intervals
- scores: models on the test plays, in slices, and compared; ranking: which model is best
- baselines: what models are measured against; explain, plots: what carries a model, and figures
"""
