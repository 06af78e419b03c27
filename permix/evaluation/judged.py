"""PersonaGym's figures of one model, as judges scored it: a part of the scorecard."""

from __future__ import annotations

from permix.evaluation.value import Estimate, Value

LOWEST, HIGHEST = 1, 5
"""The scale of a judge's score."""


class JudgeReport(Value):
    """How one judge did."""

    mean: float | None
    """Mean of its scores; None: it gave none."""
    replies: int
    """How many it was to score."""
    asked_again: int
    """Replies for which it had to be asked more than once."""
    unparsed: int
    """Replies for which no score could be read from anything that it said; never scored."""


class Agreement(Value):
    """How far judges agree on the replies that all of them scored."""

    replies: int
    alpha: float | None
    """Krippendorff's alpha with the interval metric, over all replies that at least two scored: 1 is agreement, 0 is
    chance. None where no score differs from another."""
    exact: float | None
    """Share of pairs of judges' scores of a reply that are equal; None: no reply has two."""
    within_one: float | None
    """Share of them that differ by no more than one."""


class PersonaGymScore(Value):
    """PersonaGym's figures of one model, on its scale from 1 to 5."""

    persona_score: Estimate
    """Mean of the five tasks."""
    tasks: dict[str, Estimate]
    """Mean over personas, of the mean over a persona's questions, of the mean over judges. Toxicity: 5 is not toxic."""
    personas: dict[str, float]
    """Each persona's own PersonaScore, by its description."""
    personas_left_out: tuple[str, ...]
    """Personas that have a task without any scored reply."""
    questions: int
    """Replies in all."""
    unscored: int
    """Replies that not every judge gave a score; left out, because judges are not equally strict."""
    cut: float
    """Share of replies that reached the token limit unfinished; judged as they were."""
    confidence: float
    """Coverage that the intervals aim at. They are by bootstrap over personas; of one persona they have no width."""
    judges: dict[str, JudgeReport]
    agreement: Agreement | None
    """None: one judge."""
