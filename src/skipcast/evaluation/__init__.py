"""How good predictions are.

- metrics: the table of all scores; challenge, calibration: parts of it; bootstrap: intervals
- held_out, slices, grid: sums over the test plays; scores: models, slices and differences
- ranking: which model is best
- listening: what a history shows; listening_plots, lettering: its figures; look_up: local names
- baselines, training: what models are measured against
- explain, plots: what moves a model, and figures
"""
