"""Prefect tasks: one file a stage. Caching, retries, artifacts, MLflow logging and Great Expectations, thinly."""
