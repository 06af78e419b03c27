"""Which persona does a rollout get?

It follows from (seed, step, problem, member) by a hash, and from the personas' weights at that step, and from nothing
else: a resumed run, or one on more processes, draws the same.
"""

from __future__ import annotations

import hashlib
import heapq
import math
from collections.abc import Mapping, Sequence

from permix.config import Mixing, TrainingSettings
from permix.personas.schema import NEUTRAL, Persona


def group_personas(
    personas: Sequence[Persona],
    mixing: Mixing,
    neutral_fraction: float,
    *,
    seed: int,
    step: int,
    problem: str,
    size: int,
    weights: Mapping[str, float] | None = None,
) -> list[Persona]:
    """The persona of each of the `size` members of one group.

    - `none`: neutral for all.
    - `per_prompt`: one persona for all; neutral in `neutral_fraction` of the groups.
    - `per_rollout`: each member is neutral with probability `neutral_fraction`; the others differ from each other
      (they take turns when a group is larger than the list of personas).

    `weights` (by persona id; alike where None) say how often each is drawn; one that weighs 0 never is. The draw is
    without replacement, by the keys of Efraimidis and Spirakis (Information Processing Letters 97, 2006): the personas
    with the smallest -ln(1 - u) / weight, where u is a hash in [0, 1).

    Member m's persona does not depend on `size`. Raises ValueError when there is no persona to mix in.
    """
    if mixing == "none":
        return [NEUTRAL] * size
    if not personas:
        raise ValueError(f"mixing {mixing} needs training personas, and there are none")
    where = (seed, step, problem)
    drawn = 1 if mixing == "per_prompt" else size
    weighed = [(persona, 1.0 if weights is None else weights[persona.id]) for persona in personas]
    drawable = [(persona, weight) for persona, weight in weighed if weight > 0]
    first = heapq.nsmallest(drawn, drawable, key=lambda pair: _key(*where, persona=pair[0].id, weight=pair[1]))
    order = [persona for persona, _ in first]
    members = [
        NEUTRAL if _share(*where, "neutral", member) < neutral_fraction else order[member % len(order)]
        for member in range(drawn)
    ]
    return members * size if mixing == "per_prompt" else members


def effective_mixing(settings: TrainingSettings) -> Mixing:
    """How personas enter the prompts of this arm; the rlvr arm never mixes, whatever `mixing` says."""
    return "none" if settings.arm == "rlvr" else settings.mixing


def _key(*where: int | str, persona: str, weight: float) -> float:
    return -math.log1p(-_share(*where, "persona", persona)) / weight


def _share(*parts: int | str) -> float:
    """A number in [0, 1) that follows from the parts."""
    text = "\x1f".join(map(str, parts)).encode()
    return int.from_bytes(hashlib.sha256(text).digest()[:7], "big") / 2**56
