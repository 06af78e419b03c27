"""Completions kept on disk: a killed evaluation goes on where it was, a repeated one generates nothing.

A wrapper around any `Generate`. Each completion is a row of an SQLite file under the digest of everything that it
follows from: model, chat template, prompt, sampling settings, seed and its number among the samples. Nothing is ever
overwritten, so what was once returned stays so, even of a server that answers differently each time.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from functools import partial
from pathlib import Path

from permix.config import digest
from permix.each import Each
from permix.generation.completion import Chat, Completion, Generate, Sampling
from permix.generation.order import reading_order

COMPLETIONS = "completions.sqlite"

Run = tuple[int, int]
"""Samples in a row: number of the first, how many."""
Request = tuple[Sequence[Chat], Sampling]


def cached(
    generate: Generate,
    file: Path,
    model: str,
    template: str,
    together: int = 512,
    report: Callable[[int, int], None] = lambda done, total: None,
    each: Each = map,
) -> Generate:
    """`generate`, but what is in the file is not generated again, and what is generated is kept there.

    `model` and `template` must tell apart whatever writes differently: for a checkpoint, the digest of its files and
    its chat template; for a server, its address and model name, and "" where the template is its own. A name does not
    change when the model behind it does: then take another file.

    About `together` completions are asked for at a time and kept when all are there: so much is lost when the process
    is killed, or when one of them fails. `report` hears (done, total) completions, found ones at once. Several
    processes may share a file. Raises ValueError where the file is no such cache.

    With `each` the portions may be generated elsewhere, several at a time; they are cut, and kept, in the same way.
    """

    def complete(prompts: Sequence[Chat], sampling: Sampling) -> list[list[Completion]]:
        keys = [_keys(prompt, sampling, model, template) for prompt in prompts]
        total = len(prompts) * sampling.samples
        with closing(_open(file)) as store:
            missing = _missing(store, prompts, keys, sampling)
            done = total - sum(count * len(waiting) for (_, count), waiting in missing.items())
            report(done, total)
            portions = list(_portions(missing, prompts, together))
            requests = (
                ([prompts[row] for row in rows], replace(sampling, first=first, samples=count))
                for (first, count), rows in portions
            )
            written_each = each(partial(_answer, generate), requests)
            for ((first, count), rows), written in zip(portions, written_each, strict=True):
                offset = first - sampling.first
                _keep(store, [keys[row][offset : offset + count] for row in rows], written)
                done += count * len(rows)
                report(done, total)
            return [[_read(store, key) for key in samples] for samples in keys]

    return complete


def _answer(generate: Generate, request: Request) -> list[list[Completion]]:
    return generate(*request)


def _keys(prompt: Chat, sampling: Sampling, model: str, template: str) -> list[str]:
    settings = [sampling.max_tokens, float(sampling.temperature), sampling.top_k, float(sampling.top_p), sampling.seed]
    return [digest("completion", model, template, list(prompt), settings, number) for number in sampling.numbers]


def _open(file: Path) -> sqlite3.Connection:
    file.parent.mkdir(parents=True, exist_ok=True)
    store = sqlite3.connect(file, timeout=60)
    try:
        store.execute(
            "CREATE TABLE IF NOT EXISTS completions"
            " (key TEXT PRIMARY KEY, text TEXT NOT NULL, tokens INTEGER NOT NULL, finished INTEGER NOT NULL)"
            " WITHOUT ROWID"
        )
    except sqlite3.DatabaseError as error:
        store.close()
        raise ValueError(f"{file} cannot be used as a cache of completions ({error}); move it away") from error
    return store


def _missing(
    store: sqlite3.Connection, prompts: Sequence[Chat], keys: Sequence[Sequence[str]], sampling: Sampling
) -> dict[Run, list[int]]:
    """Rows of the prompts that lack samples, by the run of samples that holds all they lack; equal prompts once."""
    missing: dict[Run, list[int]] = {}
    seen: set[str] = set()
    for row in range(len(prompts)):
        lacking = [n for n, key in zip(sampling.numbers, keys[row], strict=True) if not _has(store, key)]
        if lacking and keys[row][0] not in seen:
            seen.add(keys[row][0])
            missing.setdefault((lacking[0], lacking[-1] - lacking[0] + 1), []).append(row)
    return missing


def _portions(missing: dict[Run, list[int]], prompts: Sequence[Chat], together: int) -> Iterator[tuple[Run, list[int]]]:
    """Portions of about `together` completions, of prompts that have much in common."""
    for (first, count), rows in missing.items():
        wanted = [prompts[row] for row in rows]
        lengths = [sum(len(message["content"]) for message in prompt) for prompt in wanted]
        ordered = [rows[n] for n in reading_order(wanted, lengths)]
        size = max(1, together // count)
        for start in range(0, len(ordered), size):
            yield (first, count), ordered[start : start + size]


def _has(store: sqlite3.Connection, key: str) -> bool:
    return store.execute("SELECT 1 FROM completions WHERE key = ?", (key,)).fetchone() is not None


def _read(store: sqlite3.Connection, key: str) -> Completion:
    text, tokens, finished = store.execute(
        "SELECT text, tokens, finished FROM completions WHERE key = ?", (key,)
    ).fetchone()
    return Completion(text, tokens, bool(finished))


def _keep(store: sqlite3.Connection, keys: Sequence[Sequence[str]], written: Sequence[Sequence[Completion]]) -> None:
    rows = [
        (key, completion.text, completion.tokens, completion.finished)
        for names, samples in zip(keys, written, strict=True)
        for key, completion in zip(names, samples, strict=True)
    ]
    with store:
        # Kept already: a second process was quicker. Its completion stands.
        store.executemany("INSERT OR IGNORE INTO completions VALUES (?, ?, ?, ?)", rows)
