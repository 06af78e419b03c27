"""The promotion ledger: who moved the champion, when, why, from where to where, on which evidence.

Entries are only ever appended. Each names the entry that it follows and holds its digest, so that a changed or removed
entry shows; and of two written at once after the same entry only the first counts. That makes appending the lock that
serialises promotions, with nothing to be left behind by a process that is killed. Pure; `tasks.ledger` keeps the
entries in MLflow.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Literal

Kind = Literal["promotion", "rollback", "rejection", "by hand"]


@dataclass(frozen=True)
class Entry:
    """One line of the ledger."""

    kind: Kind
    """`rejection`: a person said no, and nothing moved; `by hand`: the alias was moved outside permix."""
    before: str | None
    """The champion's version until then; None: there was none."""
    to: str | None
    """The champion's version from then on; None: there is none."""
    who: str
    why: str
    when: str
    """UTC, ISO 8601."""
    after: int = 0
    """Number of the entry that this one follows; 0 for the first."""
    parent: str = ""
    """Digest of that entry."""
    subject: str | None = None
    """The version that a rejection is about; else None."""
    evidence: str = ""
    """MLflow run that holds what the decision stands on."""
    digests: Mapping[str, str] = field(default_factory=dict)
    """Of `to`: policy, scorecard, problems, personas."""
    number: int = 0
    """Given by the store, in the order of writing."""
    digest: str = ""
    """As it was written; see `digest_of`."""
    applied: bool = False
    """Whether the aliases have followed."""


@dataclass(frozen=True)
class Ledger:
    """All entries of one model, sorted out."""

    entries: tuple[Entry, ...]
    """Those that count, oldest first."""
    overtaken: tuple[Entry, ...]
    """Those that came second after the same entry: they changed nothing."""
    faults: tuple[str, ...]
    """What has been changed or removed since it was written."""

    @property
    def head(self) -> Entry | None:
        """The last entry; its `to` is the champion."""
        return self.entries[-1] if self.entries else None

    @property
    def champion(self) -> str | None:
        """The champion's version, as the ledger has it."""
        return self.entries[-1].to if self.entries else None

    @property
    def line(self) -> tuple[str, ...]:
        """The champions that one can fall back on, the present one last; a rollback takes off what it leaves."""
        line: list[str] = []
        for entry in self.entries:
            if entry.kind == "rejection" or entry.to is None or entry.to == (line[-1] if line else None):
                continue
            line = [*line[: line.index(entry.to)], entry.to] if entry.to in line else [*line, entry.to]
        return tuple(line)

    @property
    def previous(self) -> str | None:
        """The champion before the present one."""
        return self.line[-2] if len(self.line) > 1 else None

    def withdrawn(self, version: str) -> Entry | None:
        """The rollback that left a version, unless something has made it champion since."""
        for entry in reversed(self.entries):
            if entry.kind != "rejection" and entry.to == version:
                return None
            if entry.kind == "rollback" and entry.before == version:
                return entry
        return None

    def rejected(self, version: str, champion: str | None) -> Entry | None:
        """The rejection of a version as successor of this champion."""
        for entry in self.entries:
            if entry.kind == "rejection" and (entry.subject, entry.before) == (version, champion):
                return entry
        return None


def digest_of(entry: Entry) -> str:
    """SHA-256 of everything that was said when it was written."""
    said = {key: value for key, value in asdict(entry).items() if key not in {"number", "digest", "applied"}}
    return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()


def sort_out(entries: Sequence[Entry]) -> Ledger:
    """Which entries count, which were overtaken, and what is wrong with them."""
    numbers = {entry.number for entry in entries}
    counted: list[Entry] = []
    overtaken: list[Entry] = []
    faults: list[str] = []
    for entry in sorted(entries, key=lambda entry: entry.number):
        head = counted[-1] if counted else None
        at = head.number if head else 0
        if entry.after != at and (entry.after in numbers or entry.after == 0):
            overtaken.append(entry)
            continue
        if entry.after != at:
            faults.append(f"entry {entry.after}, which entry {entry.number} follows, has been removed")
        elif entry.parent != (head.digest if head else ""):
            faults.append(f"entry {at} is not the one that entry {entry.number} was written after")
        if entry.digest != digest_of(entry):
            faults.append(f"entry {entry.number} has been changed since it was written")
        counted.append(entry)
    return Ledger(tuple(counted), tuple(overtaken), tuple(faults))
