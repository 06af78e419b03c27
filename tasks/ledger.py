"""The promotion ledger in MLflow, and the aliases that follow it: `python -m tasks.ledger MODEL` prints it.

Every entry is a version of the registered model `<model>-ledger`: one call writes it whole, the store numbers it (so of
two at once one comes second, on any of MLflow's databases and over its server), and it can be read wherever the
registry can. MLflow keeps runs and experiments for whoever trains; what the registry did belongs into the registry.

A move of the champion is first written, then applied to the aliases, then marked as applied. Whoever comes next
completes what was killed in between, and writes down what was moved by hand.
"""

from __future__ import annotations

import getpass
import json
import socket
import sys
import time
from dataclasses import replace
from datetime import UTC, datetime
from typing import cast

import mlflow
from mlflow.entities.model_registry import ModelVersion, RegisteredModel
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import RESOURCE_ALREADY_EXISTS, ErrorCode
from rich.console import Console
from rich.table import Table

from permix.ledger import Entry, Kind, Ledger, digest_of, sort_out
from tasks.alias import set_alias, set_tag

CHALLENGER, CHAMPION, PREVIOUS = "challenger", "champion", "previous"
APPLIED = "applied"
LATE_SECONDS = 1.0
"""How long whoever follows an earlier entry is given to look again."""
TEXT_LIMIT = 2000
"""Characters of a reason; an MLflow tag holds 5,000."""
DESCRIPTION = "Every move of {name}'s champion, one version a move; written by permix, never changed."


class OvertakenError(RuntimeError):
    """Somebody else moved the champion in the meantime; what was decided was decided against another champion."""


def ledger_name(name: str) -> str:
    """The registered model that holds a model's ledger."""
    return f"{name}-ledger"


def read_ledger(name: str) -> Ledger:
    """A model's ledger; empty where there is none yet."""
    found = mlflow.search_model_versions(filter_string=f"name = '{ledger_name(name)}'")
    return sort_out([_entry(version) for version in found])


def registered_model(name: str) -> RegisteredModel | None:
    """The registered model, with its aliases; None before its first version."""
    found = mlflow.MlflowClient().search_registered_models(f"name = '{name}'")
    return found[0] if found else None


def create_model(name: str, description: str) -> None:
    """Make a registered model, unless it is there."""
    if registered_model(name) is not None:
        return
    try:
        mlflow.MlflowClient().create_registered_model(name, description=description)
    except MlflowException as error:
        # Two first promotions at once: the other one has just made it.
        if error.error_code != ErrorCode.Name(RESOURCE_ALREADY_EXISTS):
            raise


def alias(name: str, which: str) -> str | None:
    """The version that an alias of a registered model points to; None where there is no such alias."""
    model = registered_model(name)
    version = model.aliases.get(which) if model is not None else None
    return None if version is None else str(version)


def settled(name: str) -> Ledger:
    """The ledger, after the aliases have followed its last entry, or it has taken in what was moved by hand."""
    ledger = _followed(name)
    if alias(name, CHAMPION) != ledger.champion:
        # Somebody may be late in following an earlier entry; he looks again, and mends it.
        time.sleep(LATE_SECONDS)
        ledger = _followed(name)
    moved_to = alias(name, CHAMPION)
    if moved_to == ledger.champion:
        return ledger
    why = "the alias was found so; it was not moved by permix, so nobody was asked for a reason"
    return append(name, "by hand", moved_to, "unknown", why, settled_at=ledger)


def append(
    name: str,
    kind: Kind,
    to: str | None,
    who: str,
    why: str,
    *,
    settled_at: Ledger,
    subject: str | None = None,
    evidence: str | None = None,
) -> Ledger:
    """Write an entry after the head of `settled_at`, have the aliases follow it, and return the ledger with it.

    `evidence` is an MLflow run; without it the active one is. Raises OvertakenError where another entry was first.
    """
    head = settled_at.head
    run_id = evidence or _active_run()
    entry = Entry(
        kind=kind,
        before=settled_at.champion,
        to=to,
        who=who,
        why=why[:TEXT_LIMIT],
        when=datetime.now(UTC).isoformat(timespec="seconds"),
        after=head.number if head else 0,
        parent=head.digest if head else "",
        subject=subject,
        evidence=run_id,
        digests=_digests(name, to),
    )
    create_model(ledger_name(name), DESCRIPTION.format(name=name))
    mlflow.MlflowClient().create_model_version(
        ledger_name(name),
        source=f"runs:/{run_id}/",
        run_id=run_id,
        tags=_tags(replace(entry, digest=digest_of(entry))),
        description=sentence(entry),
        await_creation_for=0,
    )
    ledger = read_ledger(name)
    first = next(each for each in ledger.entries if each.after == entry.after)
    # Not by its number: a request that was answered too late and sent again has written the same entry twice.
    if first.digest != digest_of(entry):
        raise OvertakenError(
            f"{name}: while this was decided, {first.who} wrote entry {first.number} of the ledger "
            f"({sentence(first)}); decide again"
        )
    _apply(name, ledger)
    return ledger


def sentence(entry: Entry) -> str:
    """An entry in words, without who and when."""
    moved = f"champion: {_version(entry.before)} → {_version(entry.to)}"
    if entry.kind == "rejection":
        moved = f"version {entry.subject} rejected; {_version(entry.before)} stays champion"
    return f"{entry.kind}; {moved}; {entry.why}"


def whoami() -> str:
    """Who is at this machine: user@host."""
    return f"{getpass.getuser()}@{socket.gethostname()}"


def table(name: str, ledger: Ledger) -> Table:
    """The ledger for a terminal, oldest first."""
    shown = Table(title=f"{name}: promotion ledger", title_justify="left")
    for column in ("", "when (UTC)", "what", "from", "to", "who", "why", "evidence", "policy"):
        shown.add_column(column, overflow="fold")
    for entry in ledger.entries:
        shown.add_row(
            str(entry.number),
            entry.when.removesuffix("+00:00").replace("T", " "),
            entry.kind + ("" if entry.applied else " (not yet applied)"),
            entry.before or "none",
            f"{entry.to or 'none'}" if entry.subject is None else f"{entry.to or 'none'}, not {entry.subject}",
            entry.who,
            entry.why,
            entry.evidence[:8],
            entry.digests.get("permix.policy", "")[:12],
        )
    return shown


def main(name: str) -> None:
    """Print the ledger; exit with 1 where an entry has been changed or removed."""
    ledger = read_ledger(name)
    if not ledger.entries:
        print(f"{name} has no promotions yet")
    else:
        Console(highlight=False).print(table(name, ledger), markup=False)
    for entry in ledger.overtaken:
        print(f"entry {entry.number} came second after entry {entry.after} and changed nothing: {sentence(entry)}")
    if ledger.faults:
        sys.exit("the ledger has been tampered with: " + "; ".join(ledger.faults))


def _followed(name: str) -> Ledger:
    """The ledger, after the aliases have followed its last entry."""
    ledger = read_ledger(name)
    if ledger.head is not None and not ledger.head.applied:
        _apply(name, ledger)
    return ledger


def _apply(name: str, ledger: Ledger) -> None:
    """Point the aliases where the ledger says, and mark its head as applied. The same again changes nothing.

    Others may do it at the same time, at an older or a newer entry: each looks again afterwards, so that whoever writes
    last has written what the last entry says.
    """
    followed = 0  # entries are counted from 1
    while ledger.head is not None and ledger.head.number != followed:
        _point(name, ledger, ledger.head)
        followed = ledger.head.number
        ledger = read_ledger(name)
    assert followed, "there is an entry to follow"
    set_tag(ledger_name(name), str(followed), APPLIED, "true")


def _point(name: str, ledger: Ledger, head: Entry) -> None:
    """Once, as the ledger stands; `head` is its last entry."""
    client = mlflow.MlflowClient()
    if head.kind != "rejection":
        wanted = {PREVIOUS: ledger.previous, CHAMPION: ledger.champion}
        for which, version in wanted.items():
            if version is not None:
                set_alias(name, which, version)
            elif alias(name, which) is not None:
                client.delete_registered_model_alias(name, which)
        if head.to is not None and alias(name, CHALLENGER) == head.to:
            client.delete_registered_model_alias(name, CHALLENGER)


def _active_run() -> str:
    run = mlflow.active_run()
    assert run is not None, "a ledger entry needs an MLflow run as its evidence"
    return str(run.info.run_id)


def _digests(name: str, version: str | None) -> dict[str, str]:
    if version is None:
        return {}
    tags = mlflow.MlflowClient().get_model_version(name, version).tags
    wanted = ("permix.policy", "permix.scorecard", "permix.problems", "permix.personas")
    return {tag: tags[tag] for tag in wanted if tag in tags}


def _tags(entry: Entry) -> dict[str, str]:
    given = {
        "kind": entry.kind,
        "from": entry.before,
        "to": entry.to,
        "who": entry.who,
        "why": entry.why,
        "when": entry.when,
        "after": str(entry.after),
        "parent": entry.parent,
        "subject": entry.subject,
        "digests": json.dumps(dict(entry.digests), sort_keys=True),
        "digest": entry.digest,
    }
    return {key: value for key, value in given.items() if value}


def _entry(version: ModelVersion) -> Entry:
    tags = version.tags
    return Entry(
        kind=cast("Kind", tags.get("kind", "by hand")),
        before=tags.get("from"),
        to=tags.get("to"),
        who=tags.get("who", ""),
        why=tags.get("why", ""),
        when=tags.get("when", ""),
        after=int(tags.get("after", "0")),
        parent=tags.get("parent", ""),
        subject=tags.get("subject"),
        evidence=str(version.run_id or ""),
        digests=json.loads(tags.get("digests", "{}")),
        number=int(version.version),
        digest=tags.get("digest", ""),
        applied=APPLIED in tags,
    )


def _version(version: str | None) -> str:
    return "none" if version is None else f"version {version}"


if __name__ == "__main__":
    main(*sys.argv[1:])
