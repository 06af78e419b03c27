"""A problem put to a model under a persona."""

from __future__ import annotations

from permix.generation import Chat
from permix.personas.schema import Persona
from permix.problems.schema import Problem


def prompt(problem: Problem, persona: Persona) -> Chat:
    """The messages that the model answers."""
    return [{"role": "system", "content": persona.text}, {"role": "user", "content": problem.question}]
