"""The verifiable reward, and its live metrics by persona."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from permix.personas.schema import NEUTRAL, Persona
from permix.verifier import verify

PERSONA_CURVES = 50
"""Personas with a curve of their own, the first of the set: what a person can look through. Kinds always have one."""


class VerifiedReward:
    """TRL's reward function: 1.0 correct, 0.0 incorrect, None (left out) where the gold cannot be graded."""

    __name__ = "verified"

    def __init__(self, personas: Iterable[Persona]) -> None:
        self._charted = {NEUTRAL.id, *[persona.id for persona in personas][:PERSONA_CURVES]}

    def __call__(
        self,
        completions: list[list[dict[str, str]]],
        gold: list[str],
        persona: list[str],
        persona_kind: list[str],
        log_metric: Callable[[str, float], None],
        **_: Any,
    ) -> list[float | None]:
        """Rewards of a batch of completions; columns of the dataset arrive by name. Curves are means over a step."""
        verdicts = verify([completion[0]["content"] for completion in completions], gold)
        for verdict, identity, kind in zip(verdicts, persona, persona_kind, strict=True):
            log_metric("ungradable", float(verdict.reward is None))
            if verdict.reward is None:
                continue
            log_metric(f"reward_by_kind/{kind}", verdict.reward)
            if identity in self._charted:
                log_metric(f"reward_by_persona/{identity}", verdict.reward)
        return [verdict.reward for verdict in verdicts]
