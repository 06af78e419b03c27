"""The study's figures: the plane over seeds, the map of where the findings hold, and the training curves."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from permix.report.style import FAINT, INK, MUTED, plain, title
from permix.study.compare import figures
from permix.study.results import PERSONA_PROBLEMS, ROLEPLAY, Entry, Point, Study
from permix.training.progress import read_progress

# Okabe and Ito's palette; RLVR and PerMix, which the study is about, get the strongest contrast.
ARM_COLOURS = {
    "base": "#8A9097",
    "sft": "#E69F00",
    "distillation": "#8E5EA2",
    "rlvr": "#D55E00",
    "permix_per_prompt": "#0072B2",
    "permix_per_rollout": "#009E73",
}
SMOOTH = 10
"""Steps that a training curve is averaged over."""


def study_figures(found: Study, curves: Sequence[tuple[str, int, Path]]) -> dict[str, Figure]:
    """Every figure by name, without what the study has no data for; `curves` are arm, seed and progress file."""
    made = {"plane": study_plane(found)}
    if any(entry.drift for entry in found.seeds):
        made["drift"] = study_drift(found)
    if found.map:
        made["map"] = study_map(found.map)
    if curves:
        made["curves"] = training_curves(curves)
    return made


def study_plane(found: Study) -> Figure:
    """PSS across, fidelity in role-play up: every seed as a small dot, every arm's mean with intervals over seeds."""
    figure = Figure(figsize=(7.2, 5.6), layout="constrained")
    axes = figure.subplots()
    plain(axes)
    for name, spreads in found.arms.items():
        colour = ARM_COLOURS.get(name, INK)
        if "fidelity" not in spreads:
            continue
        pss, fidelity = spreads["pss"], spreads["fidelity"]
        x, y = zip(*(_place(entry) for entry in found.seeds if entry.arm == name), strict=True)
        axes.scatter(x, y, s=16, color=colour, alpha=0.45, linewidths=0, zorder=2)
        axes.errorbar(
            pss.mean, fidelity.mean,
            xerr=[[pss.mean - pss.low], [pss.high - pss.mean]],
            yerr=[[fidelity.mean - fidelity.low], [fidelity.high - fidelity.mean]],
            fmt="o", markersize=9, color=colour, elinewidth=1.4, capsize=3, zorder=3, label=name.replace("_", " "),
        )  # fmt: skip
    axes.set_xlim(0, 1.02)
    axes.set_ylim(0, 1.06)
    axes.set_xlabel("robustness: PSS, worst / best persona accuracy", color=INK)
    axes.set_ylabel("fidelity in role-play", color=INK)
    axes.legend(frameon=False, loc="lower left", labelcolor=INK)
    seeds = len({entry.seed for entry in found.seeds})
    title(axes, "Robustness and fidelity of every arm", f"{seeds} seeds (small dots); means, {found.confidence:.0%}")
    return figure


def study_map(points: Sequence[Point]) -> Figure:
    """PSS, fidelity in role-play and fidelity while solving over KL weight; a row a figure, a column a learning rate.

    One line an arm and length of training, the mean over seeds.
    """
    rows = {"pss": "PSS", "fidelity": "fidelity\nin role-play", "fidelity_solving": "fidelity\nwhile solving"}
    rates = sorted({point.learning_rate for point in points})
    lengths = sorted({point.steps for point in points})
    arms = list(dict.fromkeys(point.arm for point in points))
    kls = sorted({point.kl for point in points})
    figure = Figure(figsize=(1.2 + 3.1 * len(rates), 7.4), layout="constrained")
    grid = figure.subplots(len(rows), len(rates), sharex=True, sharey=True, squeeze=False)
    for r, (name, words) in enumerate(rows.items()):
        for c, rate in enumerate(rates):
            axes = grid[r][c]
            plain(axes)
            for arm in arms:
                for length in lengths:
                    means = [_mean(points, arm, rate, kl, length, name) for kl in kls]
                    axes.plot(
                        range(len(kls)), means, marker="o", markersize=4.5, color=ARM_COLOURS.get(arm, INK),
                        linestyle="-" if length == lengths[-1] else (0, (2, 1.5)),
                        label=f"{arm.replace('_', ' ')}, {length} steps",
                    )  # fmt: skip
            axes.set_ylim(0, 1.05)
            axes.set_xticks(range(len(kls)), [f"{kl:g}" for kl in kls])
            if r == 0:
                axes.set_title(f"learning rate {rate:g}", fontsize=10, color=INK)
            if r == len(rows) - 1:
                axes.set_xlabel("KL weight", color=INK)
            if c == 0:
                axes.set_ylabel(words, color=INK)
    handles, labels = grid[0][0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=2, frameon=False, labelcolor=INK)
    figure.suptitle("Where the findings hold", x=0.01, ha="left", weight="bold", fontsize=13, color=INK)
    return figure


def study_drift(found: Study) -> Figure:
    """What was kept of the voice over how far the model went from its base, in role-play and while solving.

    A filled dot is an arm and seed of the study, a hollow one a point of the map.
    """
    figure = Figure(figsize=(9.6, 4.4), layout="constrained")
    panels = figure.subplots(1, 2, sharey=True)
    trained = [(entry.arm, figures(entry.scorecard), entry.drift, True) for entry in found.seeds if entry.drift]
    dots = [*trained, *((point.arm, point.figures, point.drift, False) for point in found.map)]
    wanted = ((ROLEPLAY, "fidelity", "role-play"), (PERSONA_PROBLEMS, "fidelity_solving", "while solving, personas"))
    for axes, (context, fidelity, words) in zip(panels, wanted, strict=True):
        plain(axes)
        for arm in dict.fromkeys(arm for arm, *_ in dots):
            for filled in (True, False):
                own = [
                    (drift[context], values[fidelity])
                    for name, values, drift, final in dots
                    if (name, final) == (arm, filled) and context in drift and fidelity in values
                ]
                if own:
                    colour = ARM_COLOURS.get(arm, INK)
                    axes.scatter(
                        *zip(*own, strict=True), s=26, edgecolors=colour, facecolors=colour if filled else "none",
                        label=arm.replace("_", " ") if filled else None,
                    )  # fmt: skip
        axes.set_xscale("log")
        axes.set_ylim(0, 1.05)
        axes.set_xlabel(f"KL from the base, nats a token, {words}", color=INK)
        axes.set_ylabel(f"fidelity {words}".split(",")[0].replace(" role-play", " in role-play"), color=INK)
    panels[0].legend(frameon=False, labelcolor=INK, loc="lower left")
    title(panels[0], "Voice and drift", "every model; hollow: points of the map")
    return figure


def training_curves(curves: Sequence[tuple[str, int, Path]]) -> Figure:
    """Reward and KL over steps, of the arms that have them: a thin line a seed, a thick one the mean."""
    figure = Figure(figsize=(9.6, 3.8), layout="constrained")
    panels = figure.subplots(1, 2)
    for axes, name, words in zip(panels, ("reward", "kl"), ("reward", "KL from the base, nats a token"), strict=True):
        plain(axes)
        for arm in dict.fromkeys(arm for arm, _, _ in curves):
            lines = [_curve(file, name) for found, _, file in curves if found == arm]
            lines = [line for line in lines if line.size]
            if not lines:
                continue
            colour = ARM_COLOURS.get(arm, INK)
            for line in lines:
                axes.plot(line[:, 0], line[:, 1], color=colour, linewidth=0.7, alpha=0.3)
            shortest = min(len(line) for line in lines)
            mean = np.mean([line[:shortest, 1] for line in lines], axis=0)
            axes.plot(lines[0][:shortest, 0], mean, color=colour, linewidth=2, label=arm.replace("_", " "))
        axes.set_xlabel("step", color=INK)
        axes.set_ylabel(words, color=INK)
    panels[0].legend(frameon=False, labelcolor=INK)
    title(panels[0], "Training", f"mean of {SMOOTH} steps; thin: one seed")
    panels[1].axhline(0, color=FAINT)
    panels[1].annotate(
        "as the trainer sees it: on its own prompts", (0.02, 0.95), xycoords="axes fraction", color=MUTED, fontsize=9
    )
    return figure


def _place(entry: Entry) -> tuple[float, float]:
    found = figures(entry.scorecard)
    return found["pss"], found["fidelity"]


def _mean(points: Sequence[Point], arm: str, rate: float, kl: float, steps: int, name: str) -> float:
    found = [
        point.figures[name]
        for point in points
        if (point.arm, point.learning_rate, point.kl, point.steps) == (arm, rate, kl, steps) and name in point.figures
    ]
    return float(np.mean(found)) if found else float("nan")


def _curve(file: Path, name: str) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    """Step and running mean of a figure, shape (steps, 2); empty where the training has none."""
    known = [(progress.step, getattr(progress, name)) for progress in read_progress(file)]
    values = np.array([(step, value) for step, value in known if value is not None], dtype=float).reshape(-1, 2)
    if len(values) < SMOOTH:
        return np.empty((0, 2))
    smooth = np.convolve(values[:, 1], np.ones(SMOOTH) / SMOOTH, mode="valid")
    return np.column_stack([values[SMOOTH - 1 :, 0], smooth])
