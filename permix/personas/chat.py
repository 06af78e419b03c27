"""A question put to a model under a persona."""

from __future__ import annotations

from permix.generation.completion import Chat
from permix.personas.schema import Persona


def chat(persona: Persona, question: str) -> Chat:
    """The messages that the model answers: the persona is the system prompt."""
    return [{"role": "system", "content": persona.text}, {"role": "user", "content": question}]
