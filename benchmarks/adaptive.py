"""What does an adaptive evaluation save? The same width of PSS's interval, with how many completions.

    python benchmarks/adaptive.py [ROUNDS [MODEL_DIRECTORY ...]]       (20 rounds, the default: two minutes on one core)

First simulated models, whose truth is known: each is measured evenly (60 problems × 4 samples under 20 personas), and
then raced (up to 16 samples) to the width that the even design had on that very model. Then the models given, which
speak the organism's language: the same, with its problems and eval personas, and docs/images/adaptive.png of the last
one. docs/evaluation.md has what it printed.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from permix.config import EvaluationSettings
from permix.stability.adaptive import Cell, Race, Rule, race
from permix.stability.outcomes import shares
from permix.stability.simulated import SHAPES, simulated_chances, true_pss
from permix.statistics.intervals import Array

if TYPE_CHECKING:
    from matplotlib.figure import Figure

PROBLEMS, SAMPLES, MOST = 60, 4, 16
RULE = Rule(target_width=0.2, batch=20, max_completions=None, confidence=0.95, resamples=400, seed=0)
# A race whose first round asks everything.
EVEN = replace(RULE, batch=PROBLEMS * SAMPLES)
PICTURE = Path(__file__).parent.parent / "docs" / "images" / "adaptive.png"

Ask = Callable[[Sequence[Cell]], Array]


def simulated(rounds: int) -> None:
    print("| personas | own weak points | completions | at most | even holds | raced holds | bias even | bias raced |")
    print("|---|---|---:|---:|---:|---:|---:|---:|")
    for shape, accuracies in SHAPES.items():
        if len(accuracies) < 20:
            continue
        truth = true_pss(accuracies)
        for own in (0.0, 1.0):
            rng = np.random.default_rng(5)
            shares, found = [], []
            for _ in range(rounds):
                chances = simulated_chances((max(accuracies), *accuracies), PROBLEMS, rng, own)
                drawn = (rng.random((len(accuracies) + 1, PROBLEMS, MOST)) < chances.T[:, :, None]).astype(float)
                even, raced = both(lambda cells, drawn=drawn: drawn[tuple(np.array(cells).T)], len(drawn))  # type: ignore[misc]
                shares.append((even.reached.sum(), raced.reached.sum()))
                found.append([*pss_and_hold(even, truth), *pss_and_hold(raced, truth)])
            asked = np.array(shares)
            value, held, raced_value, raced_held = np.mean(found, axis=0)
            print(
                f"| {shape} | {'yes' if own else 'no'} | {asked[:, 1].sum() / asked[:, 0].sum():.0%} "
                f"| {(asked[:, 1] / asked[:, 0]).max():.0%} | {held:.0%} | {raced_held:.0%} | {value - truth:+.3f} "
                f"| {raced_value - truth:+.3f} |",
                flush=True,
            )


def both(ask: Ask, columns: int) -> tuple[Race, Race]:
    """The even design, and the race to its width."""
    even = race(ask, columns, range(PROBLEMS), SAMPLES, EVEN)
    return even, race(ask, columns, range(PROBLEMS), MOST, replace(RULE, target_width=even.high - even.low))


def pss_and_hold(found: Race, truth: float) -> tuple[float, float]:
    """The measured PSS, and whether its interval holds the true one."""
    accuracy = accuracies_of(found)
    return accuracy.min() / max(accuracy.max(), 1e-9), float(found.low - 1e-9 <= truth <= found.high + 1e-9)


def accuracies_of(found: Race) -> Array:
    """Each persona's, over the problems that it was asked."""
    rates, _ = shares(found.correct[1:])
    measured: Array = np.nanmean(rates, axis=1)
    return measured


def organism(directory: str) -> Figure:
    """The even design and the race, of a model that speaks the organism's language; its picture.

    The model is asked all 16 samples once, and both take what they ask for from that: a completion follows from its
    prompt and number alone, so it is what they would have been told.
    """
    from permix.evaluation.answers import outcomes
    from permix.evaluation.evaluate import ask
    from permix.evaluation.protocol import make_protocol
    from permix.generation.local import complete, load
    from permix.organism import world

    settings = EvaluationSettings(problems=PROBLEMS, samples=MOST, roleplay_questions=1)
    protocol = make_protocol(world.problems(), world.personas(), settings, seed=0)
    solved = outcomes(ask(partial(complete, load(Path(directory)), batch_size=512), protocol))
    table = np.concatenate([solved.neutral[:, None], solved.correct], axis=1).transpose(1, 0, 2)

    def told(cells: Sequence[Cell]) -> Array:
        return table[tuple(np.array(cells).T)]

    even, raced = both(told, len(table))
    order = np.argsort(raced.reached[1:])
    print(
        f"{directory}: even {even.reached.sum()} completions, PSS {even.low:.3f} to {even.high:.3f}; raced "
        f"{raced.reached.sum()} ({raced.reached.sum() / even.reached.sum():.0%}), {raced.low:.3f} to {raced.high:.3f}, "
        f"{len(raced.history)} rounds; all 16 samples of everything: PSS {_pss(table):.3f}; least "
        f"{solved.personas[order[0]]} {raced.reached[1:].min()}, most {solved.personas[order[-1]]} "
        f"{raced.reached[1:].max()}",
        flush=True,
    )
    return picture(even, raced, list(solved.personas), told)


def _pss(table: Array) -> float:
    accuracy = table[1:].mean(axis=(1, 2))
    return float(accuracy.min() / accuracy.max())


def picture(even: Race, raced: Race, ids: list[str], ask: Ask) -> Figure:
    """The interval as completions come, evenly and raced; and where the race's went."""
    from matplotlib.figure import Figure

    from permix.report.style import INK, MODEL_COLOURS, MUTED, plain, title

    figure = Figure(figsize=(9, 5.2), layout="constrained")
    left, right = figure.subplots(1, 2, width_ratios=(1.25, 1))
    evenly = [race(ask, len(ids) + 1, range(PROBLEMS), k, replace(EVEN, batch=PROBLEMS * k)) for k in range(1, 5)]
    steps = {
        "even: 1 to 4 samples of each problem": [one.history[-1] for one in evenly],
        "adaptive": list(raced.history),
    }
    for (label, path), colour in zip(steps.items(), MODEL_COLOURS[:2], strict=True):
        completions = [step[0] for step in path]
        left.plot(completions, [step[2] - step[1] for step in path], "o-", color=colour, label=label, markersize=4)
    left.axhline(even.high - even.low, color=MUTED, linewidth=0.8, linestyle=(0, (4, 3)))
    left.set_ylim(0)
    left.set_xlim(0)
    left.set_xlabel("completions of problems", color=INK)
    plain(left)
    title(left, "Width of the interval of PSS", "95 % interval; dashed: the width of the even design")
    left.legend(frameon=False, fontsize=9)
    accuracy = accuracies_of(raced)
    order = np.argsort(accuracy)
    right.barh(
        [f"{ids[i].split('/')[-1].replace('-', ' ')} ({accuracy[i]:.2f})" for i in order],
        raced.reached[1:][order],
        color=MODEL_COLOURS[1],
    )
    right.axvline(PROBLEMS * SAMPLES, color=MUTED, linewidth=0.8, linestyle=(0, (4, 3)))
    right.tick_params(labelsize=8)
    plain(right)
    right.grid(visible=False, axis="y")
    title(right, "Where they went", "completions (and accuracy); dashed: even")
    return figure


if __name__ == "__main__":
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 20
    if rounds:
        print(f"\nsimulated, {rounds} rounds: completions of the race as a share of the even design's\n")
        simulated(rounds)
    for directory in sys.argv[2:]:
        organism(directory).savefig(PICTURE, dpi=130)
