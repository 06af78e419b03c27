"""Readings kept on disk: a killed evaluation reads on where it was, a repeated one reads nothing.

As completions are kept (`permix.generation.cache`): an SQLite file, a row a reply, under the digest of all that its
reading follows from. Nothing is ever overwritten.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import asdict
from pathlib import Path

from permix.config import digest
from permix.fidelity.attribution import Reading, Reply
from permix.fidelity.reader import CANDIDATES, MAX_REPLY_TOKENS, PRUNE, Prune, candidates_by_persona, read_replies
from permix.generation.local import LanguageModel
from permix.personas.schema import NEUTRAL, Persona

READINGS = "readings.sqlite"
TOGETHER = 64
"""Replies after which what was read is kept."""


def read_kept(
    load: Callable[[], LanguageModel],
    replies: Sequence[Reply],
    personas: Sequence[Persona],
    file: Path,
    reference: str,
    *,
    candidates: int = CANDIDATES,
    seed: int = 0,
    max_reply_tokens: int = MAX_REPLY_TOKENS,
    prune: Prune | None = PRUNE,
    together: int = TOGETHER,
    report: Callable[[int, int], None] = lambda done, total: None,
) -> list[Reading]:
    """As `read_replies`, but what is in the file is not read again; where all is, the reference is not even loaded.

    `reference` must tell apart whatever reads differently: the digest of the checkpoint's files, tokenizer and chat
    template among them. Raises ValueError where the file is no such cache, and as `read_replies` does.
    """
    texts = {persona.id: persona.text for persona in personas}
    rivals = candidates_by_persona(replies, personas, candidates, seed)
    settings = [max_reply_tokens, None if prune is None else asdict(prune)]
    keys = [
        digest(
            "reading",
            reference,
            NEUTRAL.text,
            texts[reply.persona],
            sorted([name, texts[name]] for name in rivals[reply.persona]),
            reply.question,
            reply.text,
            settings,
        )
        for reply in replies
    ]
    with closing(_open(file)) as store:
        missing = [n for n, key in enumerate(keys) if _found(store, key) is None]
        missing.sort(key=lambda n: (rivals[replies[n].persona], replies[n].question))
        done = len(replies) - len(missing)
        report(done, len(replies))
        for start in range(0, len(missing), together):
            if not start:
                model = load()
            part = missing[start : start + together]
            read = read_replies(
                model,
                [replies[n] for n in part],
                personas,
                candidates=candidates,
                seed=seed,
                max_reply_tokens=max_reply_tokens,
                prune=prune,
            )
            with store:
                # Kept already: a second process was quicker. Its reading stands.
                store.executemany(
                    "INSERT OR IGNORE INTO readings VALUES (?, ?)",
                    [(keys[n], _text(reading)) for n, reading in zip(part, read, strict=True)],
                )
            done += len(part)
            report(done, len(replies))
        return [_reading(reply, _found(store, key)) for reply, key in zip(replies, keys, strict=True)]


def _open(file: Path) -> sqlite3.Connection:
    file.parent.mkdir(parents=True, exist_ok=True)
    store = sqlite3.connect(file, timeout=60)
    try:
        store.execute("CREATE TABLE IF NOT EXISTS readings (key TEXT PRIMARY KEY, reading TEXT NOT NULL) WITHOUT ROWID")
    except sqlite3.DatabaseError as error:
        store.close()
        raise ValueError(f"{file} cannot be used as a cache of readings ({error}); move it away") from error
    return store


def _found(store: sqlite3.Connection, key: str) -> str | None:
    row = store.execute("SELECT reading FROM readings WHERE key = ?", (key,)).fetchone()
    return None if row is None else str(row[0])


def _text(reading: Reading) -> str:
    return json.dumps(
        {"log_probs": reading.log_probs, "ends": reading.ends, "copied": reading.copied, "cut": reading.cut}
    )


def _reading(reply: Reply, text: str | None) -> Reading:
    assert text is not None
    row = json.loads(text)
    log_probs: Mapping[str, tuple[float, ...]] = {name: tuple(found) for name, found in row["log_probs"].items()}
    return Reading(reply, log_probs, tuple(row["ends"]), row["copied"], row["cut"])
