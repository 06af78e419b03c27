"""PersonaGym's figures of one model, as judges scored it: a part of the scorecard."""

from __future__ import annotations

import re

from permix.statistics.value import Estimate, Value

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
    unparsed_rate: float
    """Their share of the replies."""


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

    persona_score: Estimate | None
    """Mean of the five tasks; None where no persona has a scored reply in each."""
    tasks: dict[str, Estimate]
    """By task; empty where there is no PersonaScore. Mean over personas, of the mean over a persona's questions, of the
    mean over judges. Toxicity: 5 is not toxic."""
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
    """Coverage that the intervals aim at. They are over personas; one persona says nothing, from 1 to 5."""
    judges: dict[str, JudgeReport]
    agreement: Agreement | None
    """None: one judge."""

    def metrics(self) -> dict[str, float]:
        """The figures by name, flat: what goes into a metrics store. What was not measured is not there."""
        flat: dict[str, float] = {"unscored": self.unscored, "replies_cut": self.cut}
        named = [("persona_score", self.persona_score), *((_name(task), score) for task, score in self.tasks.items())]
        for name, score in named:
            if score is not None:
                flat |= {name: score.value, f"{name}_low": score.low, f"{name}_high": score.high}
        for judge, report in self.judges.items():
            flat[f"unparsed_rate_{_name(judge)}"] = report.unparsed_rate
            if report.mean is not None:
                flat[f"mean_{_name(judge)}"] = report.mean
        if self.agreement is not None and self.agreement.alpha is not None:
            flat["agreement_alpha"] = self.agreement.alpha
        return flat


def _name(text: str) -> str:
    """As a metric's name may be."""
    return re.sub(r"[^a-z0-9]+", "_", text.lower()).strip("_")
