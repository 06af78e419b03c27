"""The ledger's rules, without a store."""

from __future__ import annotations

from dataclasses import replace

import pytest

from permix.ledger import Entry, Kind, Ledger, digest_of, sort_out


def written(*moves: tuple[Kind, str | None]) -> list[Entry]:
    """Entries one after the other, as a store numbers them."""
    entries: list[Entry] = []
    for number, (kind, to) in enumerate(moves, start=1):
        last = entries[-1] if entries else None
        entry = Entry(
            kind, last.to if last else None, to, "ada", "because", "2026-11-23T00:00:00+00:00",
            after=last.number if last else 0, parent=last.digest if last else "",
        )  # fmt: skip
        entries.append(replace(entry, number=number, digest=digest_of(entry)))
    return entries


CASES: list[tuple[str, list[tuple[Kind, str | None]], str | None, str | None]] = [
    ("nothing yet", [], None, None),
    ("a first champion", [("promotion", "1")], "1", None),
    ("a second", [("promotion", "1"), ("promotion", "2")], "2", "1"),
    ("back to the first", [("promotion", "1"), ("promotion", "2"), ("rollback", "1")], "1", None),
    ("two steps back", [("promotion", "1"), ("promotion", "2"), ("promotion", "3"), ("rollback", "1")], "1", None),
    ("one step back", [("promotion", "1"), ("promotion", "2"), ("promotion", "3"), ("rollback", "2")], "2", "1"),
    ("back, then a new one", [("promotion", "1"), ("promotion", "2"), ("rollback", "1"), ("promotion", "3")], "3", "1"),
    ("a rejection moves nothing", [("promotion", "1"), ("promotion", "2"), ("rejection", "2")], "2", "1"),
    ("the alias taken away by hand", [("promotion", "1"), ("by hand", None)], None, None),
]


@pytest.mark.parametrize(("moves", "champion", "previous"), [c[1:] for c in CASES], ids=[c[0] for c in CASES])
def test_champion_and_previous(
    moves: list[tuple[Kind, str | None]], champion: str | None, previous: str | None
) -> None:
    ledger = sort_out(written(*moves))
    assert (ledger.champion, ledger.previous, ledger.faults) == (champion, previous, ())


def test_what_was_rolled_back_from_is_withdrawn_until_it_is_made_champion_again() -> None:
    moves: list[tuple[Kind, str | None]] = [("promotion", "1"), ("promotion", "2"), ("rollback", "1")]
    entry = sort_out(written(*moves)).withdrawn("2")
    assert entry is not None
    assert entry.kind == "rollback"
    assert sort_out(written(*moves)).withdrawn("1") is None
    assert sort_out(written(*moves, ("rollback", "2"))).withdrawn("2") is None


def test_of_two_entries_after_the_same_one_the_first_counts() -> None:
    first, second = written(("promotion", "1"), ("promotion", "2"))
    late = replace(second, to="3")
    late = replace(late, number=3, digest=digest_of(late))
    third = replace(second, after=2, parent=second.digest, before="2", to="4")
    third = replace(third, number=4, digest=digest_of(third))
    ledger = sort_out([third, late, second, first])
    assert [entry.number for entry in ledger.entries] == [1, 2, 4]
    assert ledger.overtaken == (late,)
    assert (ledger.champion, ledger.faults) == ("4", ())


def test_what_is_changed_or_removed_shows_and_nothing_after_it_is_lost() -> None:
    entries = written(("promotion", "1"), ("promotion", "2"), ("promotion", "3"))

    def faults(entries: list[Entry]) -> str:
        ledger: Ledger = sort_out(entries)
        assert ledger.champion == "3"
        return " ".join(ledger.faults)

    assert "entry 2 has been changed" in faults([entries[0], replace(entries[1], why="another reason"), entries[2]])
    assert "entry 2, which entry 3 follows, has been removed" in faults([entries[0], entries[2]])
    forged = replace(entries[1], why="another reason")
    forged = replace(forged, digest=digest_of(forged))
    assert "entry 2 is not the one that entry 3 was written after" in faults([entries[0], forged, entries[2]])
