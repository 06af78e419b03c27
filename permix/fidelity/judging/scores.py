"""PersonaScore of one model: figures over what judges said, with intervals over personas."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from permix.fidelity.judging.figures import HIGHEST, LOWEST, Agreement, JudgeReport, PersonaGymScore
from permix.fidelity.judging.judge import Judgement
from permix.fidelity.judging.questions import TASKS, Question
from permix.statistics.intervals import mean_estimate
from permix.statistics.value import Estimate


def persona_score(
    judgements: Sequence[Judgement], resamples: int = 1000, confidence: float = 0.95, seed: int = 0
) -> PersonaGymScore:
    """The figures from every judge's score of every reply.

    Raises ValueError where there are none, or a judge lacks a reply or has it twice.
    """
    if not judgements:
        raise ValueError("there are no judgements, so there is no PersonaScore")
    judges = list(dict.fromkeys(judgement.judge for judgement in judgements))
    questions = list(dict.fromkeys(judgement.question for judgement in judgements))
    given = {(judgement.question, judgement.judge): judgement for judgement in judgements}
    if len(judgements) != len(questions) * len(judges) or len(given) != len(judgements):
        raise ValueError(f"{len(judgements)} scores for {len(questions)} replies × {len(judges)} judges: need one each")
    scores = np.array([[_number(given[question, judge]) for judge in judges] for question in questions], dtype=float)
    # The mean of a row is not a number where one judge is missing.
    table = _table(dict(zip(questions, scores.mean(axis=1), strict=True)))
    whole = {name: tasks for name, tasks in table.items() if np.isfinite(tasks).all()}
    score, by_task = _estimates(np.stack(list(whole.values())), resamples, confidence, seed) if whole else (None, {})
    return PersonaGymScore(
        persona_score=score,
        tasks=by_task,
        personas={name: float(tasks.mean()) for name, tasks in whole.items()},
        personas_left_out=tuple(name for name in table if name not in whole),
        questions=len(questions),
        unscored=int(np.isnan(scores).any(axis=1).sum()),
        cut=float(np.mean([given[question, judges[0]].cut for question in questions])),
        confidence=confidence,
        judges={
            judge: _report([given[question, judge] for question in questions], scores[:, i])
            for i, judge in enumerate(judges)
        },
        agreement=_agreement(scores) if len(judges) > 1 else None,
    )


def _estimates(
    cells: NDArray[Any], resamples: int, confidence: float, seed: int
) -> tuple[Estimate, dict[str, Estimate]]:
    """PersonaScore and each task's score, from the means of shape (personas, tasks)."""

    def over_personas(means: NDArray[Any]) -> Estimate:
        rng = np.random.default_rng(seed)
        return mean_estimate(means, resamples, confidence, rng, bounds=(float(LOWEST), float(HIGHEST)))

    tasks = {task: over_personas(cells[:, i]) for i, task in enumerate(TASKS)}
    return over_personas(cells.mean(axis=1)), tasks


def krippendorff_alpha(scores: NDArray[Any]) -> float | None:
    """Krippendorff's alpha with the interval metric, of scores of shape (units, judges), NaN where missing.

    Source: Krippendorff, Computing Krippendorff's alpha-reliability (2011): 1 - observed / expected disagreement, both
    mean squared differences, over the units that at least two judges scored. None where nothing differs.
    """
    paired = scores[np.isfinite(scores).sum(axis=1) >= 2]
    values = paired[np.isfinite(paired)]
    expected = 2 * np.var(values, ddof=1) if len(values) else 0.0
    if expected == 0:
        return None
    # Within a unit of m scores the mean squared difference is 2 × their variance; it weighs m.
    counts = np.isfinite(paired).sum(axis=1)
    observed = (counts * 2 * np.nanvar(paired, axis=1, ddof=1)).sum() / counts.sum()
    return float(1 - observed / expected)


def _number(judgement: Judgement) -> float:
    if judgement.score is None:
        return float("nan")
    if not LOWEST <= judgement.score <= HIGHEST:
        raise ValueError(f"{judgement.judge} scored {judgement.score}, which is not from {LOWEST} to {HIGHEST}")
    return float(judgement.score)


def _table(means: dict[Question, float]) -> dict[str, NDArray[Any]]:
    """Each persona's mean in each task over its scored replies, NaN where there is none."""
    scored: dict[str, dict[str, list[float]]] = {}
    for question, mean in means.items():
        replies = scored.setdefault(question.persona, {task: [] for task in TASKS})[question.task]
        if np.isfinite(mean):
            replies.append(mean)
    return {
        persona: np.array([np.mean(replies[task] or [np.nan]) for task in TASKS]) for persona, replies in scored.items()
    }


def _report(judgements: Sequence[Judgement], scores: NDArray[Any]) -> JudgeReport:
    parsed = scores[np.isfinite(scores)]
    return JudgeReport(
        mean=float(parsed.mean()) if len(parsed) else None,
        replies=len(judgements),
        asked_again=sum(judgement.asked > 1 for judgement in judgements),
        unparsed=len(scores) - len(parsed),
        unparsed_rate=1 - len(parsed) / len(scores),
    )


def _agreement(scores: NDArray[Any]) -> Agreement:
    pairs = [np.abs(scores[:, a] - scores[:, b]) for a, b in combinations(range(scores.shape[1]), 2)]
    apart = np.concatenate(pairs)
    apart = apart[np.isfinite(apart)]
    return Agreement(
        replies=int(np.isfinite(scores).all(axis=1).sum()),
        alpha=krippendorff_alpha(scores),
        exact=float((apart == 0).mean()) if len(apart) else None,
        within_one=float((apart <= 1).mean()) if len(apart) else None,
    )
