"""How the independent parts of a piece of work are done: here, one after the other, or several at a time elsewhere.

`map` is the first way, and the default wherever an `Each` is taken. `tasks.fan_out` has the second.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Protocol, TypeVar

Part = TypeVar("Part")
Done = TypeVar("Done")


class Each(Protocol):
    """Does something to each part; gives what came of them in the order of the parts.

    The function and the parts may travel to another process: they must be picklable, and what comes of a part must
    follow from that part alone. Parts are taken no further ahead than needed.
    """

    def __call__(self, function: Callable[[Part], Done], parts: Iterable[Part], /) -> Iterable[Done]:
        """As `map`."""
