"""Ask a registered model a question: `python -m tasks.chat MODEL_URI PERSONA QUESTION [TEMPERATURE]`."""

from __future__ import annotations

import sys
from typing import Any

import mlflow
from mlflow.exceptions import MlflowException


def ask(model_uri: str, persona: str, question: str, temperature: float | None = None) -> str:
    """The model's reply to a user's question under a persona (the system prompt)."""
    request: dict[str, Any] = {
        "messages": [{"role": "system", "content": persona}, {"role": "user", "content": question}]
    }
    if temperature is not None:
        request["temperature"] = temperature
    reply: str = mlflow.pyfunc.load_model(model_uri).predict([request])[0]
    return reply


def main(model_uri: str, persona: str, question: str, temperature: str = "") -> None:
    """Print the reply; exit with MLflow's message where there is no such model."""
    try:
        print(ask(model_uri, persona, question, float(temperature) if temperature else None))
    except MlflowException as error:
        sys.exit(f"{model_uri}: {error.message} (`permix run` registers a model)")


if __name__ == "__main__":
    main(*sys.argv[1:])
