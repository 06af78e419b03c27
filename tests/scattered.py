"""An `Each` that does what a cluster does to parts of work: they travel, and are done in another order."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Iterable

from permix.each import Done, Part


def scattered(function: Callable[[Part], Done], parts: Iterable[Part]) -> list[Done]:
    """The last part first; function, part and outcome are pickled on their way."""
    sent = [pickle.dumps((function, part)) for part in parts]
    outcomes = []
    for work in reversed(sent):
        there, part = pickle.loads(work)
        outcomes.append(pickle.dumps(there(part)))
    return [pickle.loads(outcome) for outcome in reversed(outcomes)]
