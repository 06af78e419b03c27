"""Groups that teach nothing make way for fresh problems, within a budget.

In a group whose members all got the same reward every advantage is 0: its completions cost as much as any and move
nothing. DAPO (arXiv 2503.14476, section 3.2) samples until the batch is full of groups that differ; here there are at
most so many rounds, each generates only what is missing, and what is still alike after the last stays where it is. So
a batch always has its shape, and a step its bound. TRL has nothing of the kind (huggingface/trl 3708, 3973, 4764).
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Any

from accelerate.utils import gather_object


@dataclass(frozen=True)
class Rollout:
    """A row of the batch and what the policy made of it."""

    row: dict[str, Any]
    prompt: list[int]
    """Tokens."""
    completion: list[int]
    """Tokens."""
    logprobs: list[float] | None
    """Of the completion's tokens, where the engine tells them."""
    reward: float | None


@dataclass(frozen=True)
class Resampled:
    """A step's batch, and what its resampling took."""

    rollouts: list[Rollout]
    """This process's part, in the order of the batch."""
    discarded: list[tuple[str, float | None]]
    """Persona and reward of every completion that made way, of all processes."""
    replaced: int
    """Groups in whose place a fresh one was generated; of all processes, as are the next two."""
    still_alike: int
    """Groups that teach nothing and stay: the rounds, or the problems, were used up."""
    extra: int
    """Completions generated beyond the batch."""
    seconds: float
    """Spent on them."""


def resample(
    rows: Sequence[dict[str, Any]],
    roll_out: Callable[[Sequence[dict[str, Any]]], list[Rollout]],
    fresh_rows: Callable[[Collection[str], int, int], list[dict[str, Any]]],
    *,
    size: int,
    rounds: int,
    process: int = 0,
    processes: int = 1,
) -> Resampled:
    """Generate a batch, and for groups of `size` that teach nothing fresh ones, in at most so many rounds.

    `rows` are this process's part of the batch, which lies in it in the order of the processes. `roll_out` generates
    and grades; `fresh_rows(taken, count, round)` gives the rows of up to `count` groups of problems that are not in
    `taken`, the same on every process. All processes decide alike, from rewards gathered of all, and share the work
    evenly, whosever groups are replaced.
    """
    rollouts = roll_out(rows)
    begin = time.perf_counter()
    first = process * len(rows)
    taken: set[str] = set()
    replaced: set[int] = set()
    discarded: list[tuple[str, float | None]] = []
    extra = 0
    for round_ in range(rounds + 1):
        seen = gather_object(
            [(each.row["problem"], each.row["persona"], each.reward, each.row["gold"]) for each in rollouts]
        )
        taken |= {problem for problem, *_ in seen}
        # Role-play has no gold, and is there for the KL term.
        dull = [n for n in alike_groups([reward for _, _, reward, _ in seen], size) if seen[n * size][3] is not None]
        asked = fresh_rows(taken, len(dull), round_) if dull and round_ < rounds else []
        if not asked:
            break
        made: list[Rollout] = gather_object(roll_out(share_of(asked, process, processes)))
        for n, group in enumerate(dull[: len(asked) // size]):
            replaced.add(group)
            for member in range(size):
                place = group * size + member
                discarded.append(seen[place][1:3])
                if 0 <= place - first < len(rollouts):
                    rollouts[place - first] = made[n * size + member]
        extra += len(made)
    return Resampled(rollouts, discarded, len(replaced), len(dull), extra, time.perf_counter() - begin)


def alike(rewards: Sequence[float | None]) -> bool:
    """Whether a group teaches nothing: those of its members that were graded, if any, all got the same reward."""
    return len({reward for reward in rewards if reward is not None}) < 2


def alike_groups(rewards: Sequence[float | None], size: int) -> list[int]:
    """Which groups of a batch, counted from 0, teach nothing; a group is `size` completions in a row."""
    return [n for n in range(len(rewards) // size) if alike(rewards[n * size : (n + 1) * size])]


def fresh_problems(
    problems: int, taken: Collection[int], count: int, *, seed: int, step: int, round_: int
) -> list[int]:
    """Up to `count` problems (by index, below `problems`) that the step has not had; fewer where there are no more.

    They follow from (seed, step, round) and from what was taken, so a resumed run, or one on more processes, takes the
    same.
    """
    left = [index for index in range(problems) if index not in taken]
    return random.Random(f"{seed}/{step}/resample/{round_}").sample(left, min(count, len(left)))


def share_of(rows: Sequence[dict[str, Any]], process: int, processes: int) -> list[dict[str, Any]]:
    """The rows that one process generates: as many as every other, so the last row may come more than once.

    Collective calls within the generation would otherwise wait for a process that has nothing to do.
    """
    each = -(-len(rows) // processes)
    padded = [*rows, *[rows[-1]] * (each * processes - len(rows))]
    return padded[process * each : (process + 1) * each]
