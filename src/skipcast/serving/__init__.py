"""The served model, and all that it needs: this wing ships with a model.

- served_model, model: what `mlflow models serve` runs; packaging: logs a model to MLflow
- csv_body, parse, request, histories, tracks: from what a client sends to features
- histogram: how feature values of training are distributed; guard: the scoring server's safety net
"""
