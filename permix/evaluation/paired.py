"""Two models that were asked the same: by how much they differ, and how sure that is.

Both are resampled together: a bootstrap over problems (for fidelity: over personas) in which each resample weighs the
same problems for both models, so that what makes a problem hard for both cancels.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from permix.evaluation.answers import Answer, outcomes, read_answers, ungradable
from permix.evaluation.errors import even_weights, weighted_means
from permix.evaluation.fidelity import voice_means
from permix.evaluation.intervals import Array, bootstrap_weights
from permix.evaluation.scorecard import SCORECARD, read_scorecard
from permix.evaluation.stability import Outcomes, panel
from permix.evaluation.value import Value

# Names as here, and of the panel's figures behind them.
PANEL = {"neutral_accuracy": "neutral", "mean_accuracy": "mean", "worst_accuracy": "worst", "pss": "pss"}
FIDELITY = {"fidelity": "roleplay", "fidelity_solving": "problem"}


class Difference(Value):
    """One figure of a candidate against that of a reference that was asked the same."""

    candidate: float
    reference: float
    difference: float
    """candidate - reference."""
    relative: float | None
    """difference / reference; None where the reference is 0."""
    low: float
    """Lower end of the difference's interval, at the confidence asked for: a basic bootstrap, paired."""
    high: float
    """Upper end."""
    probability: float
    """That the candidate's figure is the higher one: share of resamples in which it is, and half of those that tie."""


def compare(
    candidate: Sequence[Answer],
    reference: Sequence[Answer],
    resamples: int = 1000,
    confidence: float = 0.95,
    seed: int = 0,
) -> dict[str, Difference]:
    """How two models differ, by figure; `confidence` is the coverage that intervals aim at.

    Keys: `neutral_accuracy`, `mean_accuracy`, `worst_accuracy`, `pss`; `accuracy_KIND` for each kind of persona;
    `fidelity` (role-play) and `fidelity_solving` where both models' was measured. Accuracies and PSS are resampled over
    problems, fidelities over personas. A problem that is ungradable in one is left out of both. Raises ValueError
    saying what differs where the two were not asked the same, or where nothing can be graded.
    """
    _check_same(candidate, reference)
    bad = {answer.item for answer in (*ungradable(candidate), *ungradable(reference))}
    solved = [
        outcomes([answer for answer in answers if answer.item not in bad], uneven=True)
        for answers in (candidate, reference)
    ]
    rng = np.random.default_rng(seed)
    weights = bootstrap_weights(len(solved[0].problems), resamples, rng)
    kinds = {answer.persona: answer.kind for answer in candidate}
    once, again = (
        [_figures(of, kinds, by) for of in solved] for by in (even_weights(np.empty(weights.shape[1])), weights)
    )
    found = {
        name: _difference(once[0][name][0], once[1][name][0], again[0][name] - again[1][name], confidence)
        for name in once[0]
    }
    for name, task in FIDELITY.items():
        voices = [voice_means(answers, task) for answers in (candidate, reference)]
        if voices[0]:
            mine, theirs = (np.array(list(means.values())) for means in voices)
            resampled = bootstrap_weights(len(mine), resamples, rng) @ (mine - theirs)
            found[name] = _difference(mine.mean(), theirs.mean(), resampled, confidence)
    return found


def compare_evaluations(
    candidate: Path | str,
    reference: Path | str,
    resamples: int = 1000,
    confidence: float = 0.95,
    seed: int = 0,
) -> dict[str, Difference]:
    """`compare` for two finished evaluation directories.

    Raises ValueError where a scorecard is missing or their protocols differ, FileNotFoundError without completions.
    """
    mine, theirs = read_scorecard(candidate), read_scorecard(reference)
    if mine.protocol != theirs.protocol:
        raise ValueError(
            f"{candidate} and {reference} were asked different things or in different ways (`protocol` in their "
            f"{SCORECARD}); evaluate both with one profile"
        )
    return compare(read_answers(candidate), read_answers(reference), resamples, confidence, seed)


def _figures(solved: Outcomes, kinds: dict[str, str], weights: Array) -> dict[str, Array]:
    """Each figure for each row of weights over problems, shape (B,)."""
    rates = solved.rates()
    figures, accuracies = panel(rates, weights), weighted_means(rates, weights)[:, 1:]
    found = {name: figures[of] for name, of in PANEL.items()}
    of_personas = np.array([kinds[persona] for persona in solved.personas])
    return found | {
        f"accuracy_{kind}": np.nanmean(accuracies[:, of_personas == kind], axis=1)
        for kind in sorted(set(of_personas.tolist()))
    }


def _difference(candidate: float, reference: float, resampled: Array, confidence: float) -> Difference:
    difference = float(candidate - reference)
    tail = (1 - confidence) / 2
    low, high = np.quantile(resampled, [tail, 1 - tail])
    return Difference(
        candidate=float(candidate),
        reference=float(reference),
        difference=difference,
        relative=difference / float(reference) if reference else None,
        low=min(2 * difference - float(high), difference),
        high=max(2 * difference - float(low), difference),
        probability=float((resampled > 0).mean() + (resampled == 0).mean() / 2),
    )


def _check_same(candidate: Sequence[Answer], reference: Sequence[Answer]) -> None:
    """Raise ValueError saying what one model was asked and the other not."""
    if not candidate or not reference:
        raise ValueError(f"two models' answers are needed; there are {len(candidate)} and {len(reference)}")
    asked = [_asked(answers) for answers in (candidate, reference)]
    for what in asked[0]:
        mine, theirs = asked[0][what], asked[1][what]
        if mine != theirs:
            only = [
                f"only the {whose}'s {', '.join(map(repr, sorted(one - other, key=str)[:3]))}"
                for whose, one, other in (("candidate", mine, theirs), ("reference", theirs, mine))
                if one - other
            ]
            raise ValueError(f"the two models were not asked the same: {what} differ: {'; '.join(only)}")


def _asked(answers: Sequence[Answer]) -> dict[str, set[object]]:
    """What must be equal, by name. Of samples only that each persona has as many, unless personas differ in that."""
    problems = [answer for answer in answers if answer.task == "problem"]
    counts: dict[str, int] = {}
    for answer in problems:
        counts[answer.persona] = counts.get(answer.persona, 0) + 1
    adaptive = len(set(counts.values())) > 1
    return {
        "personas": {answer.persona for answer in problems},
        "problems": {answer.item for answer in problems},
        "golds": {(answer.item, answer.question, answer.gold) for answer in problems},
        "role-play questions": {(answer.persona, answer.item) for answer in answers if answer.task == "roleplay"},
        "personas with a voice": {(answer.task, answer.persona) for answer in answers if answer.voice is not None},
        "numbers of completions": {"adaptive"} if adaptive else set(counts.items()),
    }
