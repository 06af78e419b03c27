"""The verifiable reward, and what it tells of each completion."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from permix.verifier import BOXED, Read, Verdict, verify

ROLEPLAY = "role-play"
"""What the tables say in place of a verdict where there is no gold."""


def grade(completions: Sequence[str], golds: Sequence[str | None], read: Read = BOXED) -> list[Verdict | None]:
    """Verdicts; None where there is no gold, which is a role-play question's."""
    pairs = [(text, gold) for text, gold in zip(completions, golds, strict=True) if gold is not None]
    verdicts = iter(verify([text for text, _ in pairs], [gold for _, gold in pairs], read))
    return [None if gold is None else next(verdicts) for gold in golds]


class VerifiedReward:
    """TRL's reward function: 1.0 correct, 0.0 incorrect, None (left out) where the gold cannot be graded or is none."""

    __name__ = "verified"

    def __init__(self, read: Read = BOXED) -> None:
        self._read = read

    def __call__(
        self,
        completions: list[list[dict[str, str]]],
        gold: list[str | None],
        problem: list[str],
        source: list[str],
        persona: list[str],
        persona_kind: list[str],
        log_metric: Callable[[str, float], None],
        log_extra: Callable[[str, list[Any]], None],
        **_: Any,
    ) -> list[float | None]:
        """Rewards of a batch of completions; columns of the dataset arrive by name.

        Curves by persona kind and by source are means over a step, over all processes. What the tables and the tallies
        need goes with the completions (`log_extra`), which TRL gathers from all processes too.
        """
        verdicts = grade([completion[0]["content"] for completion in completions], gold, self._read)
        for verdict, origin, kind in zip(verdicts, source, persona_kind, strict=True):
            if verdict is None:
                continue
            log_metric("ungradable", float(verdict.reward is None))
            if verdict.reward is not None:
                log_metric("answered", float(verdict.place is not None))
                log_metric(f"answered_by_kind/{kind}", float(verdict.place is not None))
                log_metric(f"reward_by_kind/{kind}", verdict.reward)
                log_metric(f"reward_by_source/{origin}", verdict.reward)
        log_extra("problem", problem)
        log_extra("gold", gold)
        log_extra("persona", persona)
        log_extra("verdict", [verdict.verdict if verdict else ROLEPLAY for verdict in verdicts])
        log_extra("answer", [verdict.answer if verdict else None for verdict in verdicts])
        log_extra("reason", [verdict.reason if verdict else "no gold, no reward" for verdict in verdicts])
        return [verdict.reward if verdict else None for verdict in verdicts]
