"""Completions and golds in, verdicts out."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache, partial

from permix.each import Each
from permix.verifier import workers
from permix.verifier.choice import is_letter
from permix.verifier.compare import NeedsAlgebraError
from permix.verifier.extract import gold_text
from permix.verifier.reading import BOXED, Place, Read, find_answer
from permix.verifier.settle import MAX_CHARS, ask_worker, read_gold, settle
from permix.verifier.verdict import Ruling, Verdict

PART = 2048
"""Completions judged in one go, where they are judged in parts."""
_REMEMBERED = 65_536

_NO_ANSWER = Ruling("incorrect", "no answer")
_from_workers: dict[tuple[str, str], Ruling] = {}


def verify(completions: Sequence[str], golds: Sequence[str], read: Read = BOXED) -> list[Verdict]:
    r"""Judge each completion against its gold; same length, same order.

    `read` says where an answer may stand, in order of preference: in a `\boxed{}` alone, unless it is given. `choice`
    is read only where the gold is a letter.

    Safe from any thread. An equal pair of gold and answer is computed once in a process. Raises ValueError if the
    lengths differ, TypeError for what is no text, and WorkerError if a worker process is needed and cannot start.
    """
    found = [_found(*texts, read, index) for index, texts in enumerate(zip(completions, golds, strict=True))]
    pairs = [(gold, answer) for gold, answer, _ in found]
    rulings = {pair: _quick_ruling(*pair) for pair in dict.fromkeys(pairs)}
    unruled = [(gold, answer) for (gold, answer), ruling in rulings.items() if ruling is None and answer is not None]
    rulings |= _ask(unruled)
    return [_verdict(answer, place, rulings[gold, answer]) for gold, answer, place in found]


def verify_each(
    completions: Sequence[str], golds: Sequence[str], each: Each = map, read: Read = BOXED
) -> list[Verdict]:
    """As `verify`, in parts that may be judged elsewhere."""
    pairs = list(zip(completions, golds, strict=True))
    parts = (pairs[start : start + PART] for start in range(0, len(pairs), PART))
    return [verdict for verdicts in each(partial(_verify_part, read=read), parts) for verdict in verdicts]


def _verify_part(pairs: Sequence[tuple[str, str]], read: Read) -> list[Verdict]:
    return verify([completion for completion, _ in pairs], [gold for _, gold in pairs], read)


def gold_reason(gold: str) -> str:
    """Why a gold cannot be graded against; empty if it can."""
    return read_gold(gold_text(gold)).problem


def _found(completion: str, gold: str, read: Read, index: int) -> tuple[str, str | None, Place | None]:
    """The gold's answer, the completion's, and where that stood."""
    if not isinstance(completion, str) or not isinstance(gold, str):
        culprit, value = ("gold", gold) if isinstance(completion, str) else ("completion", completion)
        raise TypeError(f"{culprit} {index} is a {type(value).__name__}, not text")
    gold = gold_text(gold)
    if "choice" in read and not is_letter(gold):
        read = tuple(place for place in read if place != "choice")
    found = find_answer(completion, read)
    if found is None:
        return gold, None, None
    # Enough of a longer answer to see that it is too long.
    answer = found.text.strip()[: MAX_CHARS + 1]
    return gold, answer, found.place if answer else None


def _verdict(answer: str | None, place: Place | None, ruling: Ruling | None) -> Verdict:
    assert ruling is not None
    return Verdict(ruling.verdict, answer, ruling.reason, place)


@lru_cache(maxsize=_REMEMBERED)
def _quick_ruling(gold: str, answer: str | None) -> Ruling | None:
    """A ruling without algebra; None if that takes a worker."""
    if answer is None:
        problem = read_gold(gold).problem
        return Ruling("ungradable", problem) if problem else _NO_ANSWER
    try:
        return settle(gold, answer, ask_worker)
    except NeedsAlgebraError:
        return None


def _ask(pairs: list[tuple[str, str]]) -> dict[tuple[str, str | None], Ruling | None]:
    """Rulings from workers, or from memory."""
    rulings: dict[tuple[str, str | None], Ruling | None] = {pair: _from_workers.get(pair) for pair in pairs}
    new = [pair for pair in pairs if rulings[pair] is None]
    if new:
        asked: dict[tuple[str, str], Ruling] = dict(zip(new, workers.shared().rule(new), strict=True))
        if len(_from_workers) + len(new) > _REMEMBERED:
            _from_workers.clear()
        _from_workers.update(asked)
        rulings.update({pair: asked[pair] for pair in new})
    return rulings
