"""Every judge's score of every reply, with its reasons: the rows of `judgements.parquet`."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from permix.fidelity.judging.judge import Judgement
from permix.fidelity.judging.questions import Question

JUDGEMENTS = "judgements.parquet"
PERSONAGYM = "personagym.json"
"""The figures made of them: a `PersonaGymScore`."""


def write_judgements(judgements: Iterable[Judgement], directory: Path) -> Path:
    """Write `judgements.parquet`, a row a reply and judge; returns its path.

    `score` is null where none could be read from `judgement`, which is what the judge said last; `retries` tells how
    often it was asked again.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    text = ("persona", "task", "question", "reply", "judge", "judgement")
    types = {**dict.fromkeys(text, pa.string()), "cut": pa.bool_(), "score": pa.int64(), "retries": pa.int64()}
    order = ("persona", "task", "question", "reply", "cut", "judge", "judgement", "score", "retries")
    rows = [
        {
            "persona": judgement.question.persona,
            "task": judgement.question.task,
            "question": judgement.question.text,
            "reply": judgement.reply,
            "cut": judgement.cut,
            "judge": judgement.judge,
            "judgement": judgement.reason,
            "score": judgement.score,
            "retries": judgement.asked - 1,
        }
        for judgement in judgements
    ]
    path = directory / JUDGEMENTS
    pq.write_table(pa.Table.from_pylist(rows, schema=pa.schema([(name, types[name]) for name in order])), path)
    return path


def read_judgements(directory: Path | str) -> list[Judgement]:
    """Read `judgements.parquet`; raises FileNotFoundError where there is none."""
    import pyarrow.parquet as pq

    return [
        Judgement(
            question=Question(row["persona"], row["task"], row["question"]),
            reply=row["reply"],
            cut=row["cut"],
            judge=row["judge"],
            score=row["score"],
            reason=row["judgement"],
            asked=row["retries"] + 1,
        )
        for row in pq.read_table(Path(directory) / JUDGEMENTS).to_pylist()
    ]
