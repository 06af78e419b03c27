"""Two models that were asked the same: by how much they differ, and how sure that is.

Both are resampled together: a bootstrap over problems (for fidelity: over personas) in which each resample weighs the
same problems for both models, so that what makes a problem hard for both cancels.

The interval of a difference is made of the two figures' own intervals and of how far their errors go together (MOVER;
Zou and Donner, 2008, Statistics in Medicine 27): so it holds where the two are biased by different amounts, as the PSS
of a model that every persona treats alike is beside that of one that a single persona breaks. The probability is not
that careful: it takes the measured difference at its word. It is calibrated where the two models are alike
(docs/evaluation.md).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from permix.evaluation.answers import Answer, outcomes, read_answers, ungradable
from permix.evaluation.errors import Means, measure_means, weighted_means
from permix.evaluation.fidelity import voice_means
from permix.evaluation.intervals import Array, bootstrap_weights, mean_estimate, small_sample
from permix.evaluation.scorecard import SCORECARD, read_scorecard
from permix.evaluation.stability import Outcomes, panel, panel_estimates
from permix.evaluation.value import Estimate, Value

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
    """Lower end of the difference's interval, at the confidence asked for."""
    high: float
    """Upper end."""
    probability: float
    """That the candidate's figure is the higher one: share of resamples, centred on the measured difference, in which
    it is, and half of those that tie. 0.5 says nothing either way."""


def compare(
    candidate: Sequence[Answer],
    reference: Sequence[Answer],
    resamples: int = 1000,
    confidence: float = 0.95,
    seed: int = 0,
    uneven: bool = False,
) -> dict[str, Difference]:
    """How two models differ, by figure; `confidence` is the coverage that intervals aim at.

    Keys: `neutral_accuracy`, `mean_accuracy`, `worst_accuracy`, `pss`; `accuracy_KIND` for each kind of persona;
    `fidelity` (role-play) and `fidelity_solving` where both models' was measured. Accuracies and PSS are resampled over
    problems, fidelities over personas. A problem that is ungradable in one is left out of both. `uneven` is for two
    adaptive evaluations, of which each asked its model as far as it had to. Raises ValueError saying what differs where
    the two were not asked the same, or where nothing can be graded.
    """
    _check_same(candidate, reference, uneven)
    bad = {answer.item for answer in (*ungradable(candidate), *ungradable(reference))}
    mine, theirs = (
        outcomes([answer for answer in answers if answer.item not in bad], uneven) for answers in (candidate, reference)
    )
    kinds = {answer.persona: answer.kind for answer in candidate}
    found = compare_outcomes(mine, theirs, kinds, resamples, confidence, seed)
    rng = np.random.default_rng(seed)
    for name, task in FIDELITY.items():
        voices = [np.array(list(voice_means(answers, task).values())) for answers in (candidate, reference)]
        if len(voices[0]):
            found[name] = over_personas(voices[0], voices[1], resamples, confidence, rng)
    return found


def compare_outcomes(
    candidate: Outcomes,
    reference: Outcomes,
    kinds: Mapping[str, str],
    resamples: int = 1000,
    confidence: float = 0.95,
    seed: int = 0,
) -> dict[str, Difference]:
    """The figures over problems: accuracies, by kind too (`kinds`: of each persona), and PSS."""
    problems = sorted({*candidate.problems, *reference.problems})
    weights = bootstrap_weights(len(problems), resamples, np.random.default_rng(seed))
    few = small_sample(len(problems), confidence)
    mine, theirs = (
        _figures(of, problems, kinds, weights, confidence, np.random.default_rng(seed)) for of in (candidate, reference)
    )
    return {name: _difference(mine[name], theirs[name], min(few, 1e6)) for name in mine}


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
    return compare(read_answers(candidate), read_answers(reference), resamples, confidence, seed, mine.adaptive)


def _figures(
    solved: Outcomes,
    problems: Sequence[str],
    kinds: Mapping[str, str],
    weights: Array,
    confidence: float,
    rng: np.random.Generator,
) -> dict[str, tuple[Estimate, Array]]:
    """Each figure with its interval, and its value in each resample, shape (B,)."""
    rates = np.full((len(problems), 1 + len(solved.personas)), np.nan)
    counts = np.zeros(rates.shape, dtype=int)
    rows = [problems.index(problem) for problem in solved.problems]
    rates[rows], counts[rows] = solved.rates(), solved.counts()
    means: Means = measure_means(rates, counts, weights, confidence, rng)
    estimates, resampled = panel_estimates(rates, weights, means, confidence), panel(rates, weights)
    found = {name: (estimates[of], resampled[of]) for name, of in PANEL.items()}
    accuracies = weighted_means(rates, weights)
    of_personas = np.array([kinds[persona] for persona in solved.personas])
    for kind in sorted(set(of_personas.tolist())):
        columns = 1 + np.flatnonzero(of_personas == kind)
        found[f"accuracy_{kind}"] = means.average(columns, confidence), np.nanmean(accuracies[:, columns], axis=1)
    return found


def _difference(first: tuple[Estimate, Array], second: tuple[Estimate, Array], few: float) -> Difference:
    """From both figures with their intervals, and their values in the same resamples."""
    (candidate, mine), (reference, theirs) = first, second
    apart = mine - theirs
    # An adaptive evaluation may have asked none of a resample's problems.
    known = np.isfinite(apart)
    mine, theirs, apart = mine[known], theirs[known], apart[known]
    spread = mine.std() * theirs.std()
    together = float(((mine - mine.mean()) * (theirs - theirs.mean())).mean() / spread) if spread > 0 else 0.0

    def reach(one: float, its_other: float, two: float, and_its: float) -> float:
        # What an end is further away than the figure's other end is bias, and only noise goes together in two models.
        noise, noise_too = min(one, its_other), min(two, and_its)
        paired = float(np.sqrt(max(0.0, noise**2 + noise_too**2 - 2 * together * noise * noise_too)))
        return paired + (one - noise) + (two - noise_too)

    up, down = candidate.high - candidate.value, candidate.value - candidate.low
    its_up, its_down = reference.high - reference.value, reference.value - reference.low
    difference = candidate.value - reference.value
    centred = difference + few * (apart - apart.mean())
    return Difference(
        candidate=candidate.value,
        reference=reference.value,
        difference=difference,
        relative=difference / reference.value if reference.value else None,
        low=difference - reach(down, up, its_up, its_down),
        high=difference + reach(up, down, its_down, its_up),
        probability=_probability(centred),
    )


def over_personas(
    mine: Array, theirs: Array, resamples: int, confidence: float, rng: np.random.Generator
) -> Difference:
    """Of each persona's mean, in both models."""
    apart = mine - theirs
    interval = mean_estimate(apart, resamples, confidence, rng, bounds=(-1.0, 1.0))
    few = min(small_sample(len(apart), confidence), 1e6)
    resampled = bootstrap_weights(len(apart), resamples, rng) @ apart
    reference = float(theirs.mean())
    return Difference(
        candidate=float(mine.mean()),
        reference=reference,
        difference=interval.value,
        relative=interval.value / reference if reference else None,
        low=interval.low,
        high=interval.high,
        probability=_probability(interval.value + few * (resampled - resampled.mean())),
    )


def _probability(centred: Array) -> float:
    """Share above 0, and half of what ties but for rounding."""
    ties = np.abs(centred) < 1e-12
    return float((centred[~ties] > 0).sum() + ties.sum() / 2) / len(centred)


def _check_same(candidate: Sequence[Answer], reference: Sequence[Answer], uneven: bool) -> None:
    """Raise ValueError saying what one model was asked and the other not."""
    if not candidate or not reference:
        raise ValueError(f"two models' answers are needed; there are {len(candidate)} and {len(reference)}")
    asked = [_asked(answers, uneven) for answers in (candidate, reference)]
    for what in asked[0]:
        mine, theirs = asked[0][what], asked[1][what]
        if mine != theirs:
            only = [
                f"only the {whose}'s {', '.join(map(repr, sorted(one - other, key=str)[:3]))}"
                for whose, one, other in (("candidate", mine, theirs), ("reference", theirs, mine))
                if one - other
            ]
            raise ValueError(f"the two models were not asked the same: {what} differ: {'; '.join(only)}")


def _asked(answers: Sequence[Answer], uneven: bool) -> dict[str, set[object]]:
    """What must be equal, by name. An adaptive evaluation asks less than that, but in greedy it asks every problem."""
    sampled = [answer for answer in answers if answer.task == "problem"]
    problems = [answer for answer in answers if answer.task in ("problem", "greedy")]
    counts: dict[str, int] = {}
    for answer in sampled:
        counts[answer.persona] = counts.get(answer.persona, 0) + 1
    return {
        "personas": {answer.persona for answer in sampled},
        "problems": {answer.item for answer in problems},
        "golds": {(answer.item, answer.question, answer.gold) for answer in problems},
        "role-play questions": {(answer.persona, answer.item) for answer in answers if answer.task == "roleplay"},
        "personas with a voice": {(answer.task, answer.persona) for answer in answers if answer.voice is not None},
        "numbers of completions": set() if uneven else set(counts.items()),
    }
