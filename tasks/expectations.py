"""What must hold of curated problems and personas, as Great Expectations suites, and the frames they look at.

Some of it is told by columns that are derived here and in no file (`question_key`, `overlap_with_eval`): a stock
expectation about such a column names the offending rows.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

from permix.config import PersonaSettings, ProblemSettings
from permix.curation.markers import Markers
from permix.curation.text import normalised, words
from permix.curation.tokens import CountTokens
from permix.personas.checks import Hit, load_checks
from permix.personas.near import NearIndex
from permix.personas.schema import KINDS

if TYPE_CHECKING:
    import pandas as pd


FRAME_BATCH = 16_384
"""Problems whose texts are held at once."""


def problem_expectations(settings: ProblemSettings, tokens: bool = False) -> list[Any]:
    """What must hold of curated problems; the columns are those of `problem_frame`, `tokens` among them or not."""
    import great_expectations.expectations as gxe

    return [
        *_token_expectations(gxe, settings.max_question_tokens if tokens else None),
        *_common_expectations(gxe),
        _must(gxe.ExpectColumnValuesToNotBeNull, "every problem has a question", column="question_chars"),
        _must(gxe.ExpectColumnValuesToNotBeNull, "every problem has a gold", column="gold_chars"),
        _must(
            gxe.ExpectColumnValuesToBeBetween,
            "no question is empty or too long",
            column="question_chars",
            min_value=1,
            max_value=settings.max_question_chars,
        ),
        _must(gxe.ExpectColumnValuesToBeBetween, "no gold is empty", column="gold_chars", min_value=1),
        _must(gxe.ExpectColumnValuesToBeUnique, "no question twice, nor in both splits", column="question_key"),
    ]


def persona_expectations(settings: PersonaSettings, tokens: bool = False) -> list[Any]:
    """What must hold of curated personas; the columns are those of `persona_frame`, `tokens` among them or not."""
    import great_expectations.expectations as gxe

    return [
        *_token_expectations(gxe, settings.max_tokens if tokens else None),
        *_minimum_expectations(settings),
        *_common_expectations(gxe),
        _must(gxe.ExpectColumnValuesToNotBeNull, "every persona has a text", column="text"),
        _must(
            gxe.ExpectColumnValueLengthsToBeBetween,
            "no persona is empty or too long",
            column="text",
            min_value=1,
            max_value=settings.max_chars,
        ),
        _must(gxe.ExpectColumnValuesToBeUnique, "no persona twice, nor in both splits", column="normalised_text"),
        _must(
            gxe.ExpectColumnValuesToBeNull,
            "no instruction that decides the answer or its form, unless accepted by name",
            column="instruction",
        ),
        _must(
            gxe.ExpectColumnValuesToBeNull,
            "no real person or protected group, unless accepted by name",
            column="exclusion",
        ),
        _must(gxe.ExpectColumnValuesToBeInSet, "every kind is a known one", column="kind", value_set=list(KINDS)),
        _must(
            gxe.ExpectColumnValuesToBeBetween,
            "no training persona is a near-copy of an eval persona",
            column="overlap_with_eval",
            max_value=settings.near_duplicate,
            strict_max=True,
        ),
        _must(
            gxe.ExpectColumnValuesToBeInSet,
            "every kind among the eval personas is also trained on",
            column="kind_is_trained",
            value_set=[True],
        ),
    ]


def _common_expectations(gxe: Any) -> list[Any]:
    return [
        _must(gxe.ExpectColumnValuesToNotBeNull, "every row has an id", column="id"),
        _must(gxe.ExpectColumnValuesToBeUnique, "ids are unique", column="id"),
        _must(
            gxe.ExpectColumnValuesToBeInSet, "splits are train and eval", column="split", value_set=["train", "eval"]
        ),
        _must(
            gxe.ExpectColumnPairValuesToBeEqual,
            "rows stand in the file of their split",
            column_A="split",
            column_B="file",
        ),
        _must(
            gxe.ExpectColumnUniqueValueCountToBeBetween, "no split is empty", column="file", min_value=2, max_value=2
        ),
        _must(gxe.ExpectColumnValuesToNotBeNull, "every row names its source", column="source"),
        _must(
            gxe.ExpectColumnValuesToBeNull, "no special token or turn marker of a chat template", column="chat_marker"
        ),
    ]


def _token_expectations(gxe: Any, most: int | None) -> list[Any]:
    if most is None:
        return []
    within = gxe.ExpectColumnValuesToBeBetween
    return [
        _must(
            within,
            "no row is empty or too long in the model's own tokens",
            column="tokens",
            min_value=1,
            max_value=most,
        )
    ]


def _minimum_expectations(settings: PersonaSettings) -> list[Any]:
    if not settings.minimum:
        return []
    # Here because it imports Great Expectations.
    from tasks.kind_expectation import ExpectColumnValuesToOccurOftenEnough

    minimum = {f"{split}: {kind}": least for kind, least in settings.minimum.items() for split in ("train", "eval")}
    description = "each split holds enough personas of each kind"
    return [_must(ExpectColumnValuesToOccurOftenEnough, description, column="kind_in_split", minimum=minimum)]


def _must(expectation: Any, description: str, **arguments: Any) -> Any:
    return expectation(description=description, severity="critical", **arguments)


def problem_frame(directory: Path, markers: Markers, count_tokens: CountTokens | None = None) -> pd.DataFrame:
    """What is expected something of, of the curated problems of both splits; a million rows take 100 MB.

    `id`, `source`, `split`, `file`; `question_chars` and `gold_chars`, null where there is none; `question_key`, a hash
    that equal questions share; `chat_marker`; with `count_tokens` also `tokens`, the question's length.
    """
    import pandas as pd
    import pyarrow.parquet as pq

    parts = []
    for split in ("train", "eval"):
        with pq.ParquetFile(directory / f"{split}.parquet") as file:
            columns = [name for name in ("id", "source", "split", "question", "gold") if name in file.schema.names]
            # Without rows there is no batch; the columns are there all the same.
            batches = (
                file.iter_batches(FRAME_BATCH, columns=columns) if file.metadata.num_rows else [file.read(columns)]
            )
            parts += [_problem_part(batch.to_pandas(), markers, count_tokens).assign(file=split) for batch in batches]
    return pd.concat([part for part in parts if len(part)] or parts, ignore_index=True)


def _problem_part(frame: pd.DataFrame, markers: Markers, count_tokens: CountTokens | None) -> pd.DataFrame:
    # A column that is missing is left missing: the expectation about it then says so.
    if "question" in frame:
        questions = frame.pop("question")
        if count_tokens is not None:
            frame["tokens"] = count_tokens(questions.fillna("").tolist())
        frame["question_chars"] = questions.str.len()
        frame["question_key"] = questions.map(_key, na_action="ignore")
        frame["chat_marker"] = questions.map(markers.find, na_action="ignore").astype("object")
    if "gold" in frame:
        frame["gold_chars"] = frame.pop("gold").str.len()
    return frame


def _key(question: str) -> int:
    return int.from_bytes(hashlib.blake2b(normalised(question).encode(), digest_size=7).digest())


def persona_frame(
    directory: Path, settings: PersonaSettings, markers: Markers, count_tokens: CountTokens | None = None
) -> pd.DataFrame:
    """The curated personas of both splits, with what the expectations need beside them.

    `file`, `normalised_text`, `chat_marker`; `instruction` and `exclusion` (what permix.personas.checks finds; null
    where it finds nothing, and in personas that the profile accepts by name); `overlap_with_eval` (Jaccard with the
    nearest eval persona, null for eval personas themselves and where it is far below `settings.near_duplicate`);
    `kind_is_trained` (whether a training persona has it); `kind_in_split` (as in `train: expert`); with `count_tokens`
    also `tokens`.
    """
    import pandas as pd

    frame = _frame(directory)
    if "text" in frame:
        texts = frame["text"].fillna("")
        frame["normalised_text"] = [" ".join(words(text)) for text in texts]
        frame["chat_marker"] = texts.map(markers.find).astype("object")
        _add_hits(frame, texts, settings)
        if count_tokens is not None:
            frame["tokens"] = count_tokens(texts.tolist())
        sets = [frozenset(words(text)) for text in texts]
        held_out = [found for found, file in zip(sets, frame["file"], strict=True) if file == "eval"]
        index = NearIndex(held_out, settings.near_duplicate / 2)
        nearest = [
            found[0] if file == "train" and (found := index.nearest(own)) else None
            for own, file in zip(sets, frame["file"], strict=True)
        ]
        # Numbers also where none is near, and all are null.
        frame["overlap_with_eval"] = pd.Series(nearest, dtype="float64")
    if "kind" in frame:
        frame["kind_in_split"] = frame["file"] + ": " + frame["kind"]
        frame["kind_is_trained"] = frame["kind"].isin(frame.loc[frame["file"] == "train", "kind"])
    return frame


def _add_hits(frame: pd.DataFrame, texts: pd.Series[str], settings: PersonaSettings) -> None:
    checks = load_checks(settings.exclude)
    accepted = frame["id"].isin(settings.accept) if "id" in frame else [False] * len(frame)
    found = [[] if by_name else checks.find(text) for text, by_name in zip(texts, accepted, strict=True)]
    frame["exclusion"] = _named([[hit for hit in hits if hit.reason == "excluded"] for hits in found])
    frame["instruction"] = _named([[hit for hit in hits if hit.reason != "excluded"] for hits in found])


def _named(found: list[list[Hit]]) -> list[str | None]:
    return ["; ".join(map(str, hits)) or None for hits in found]


def _frame(directory: Path) -> pd.DataFrame:
    import pandas as pd

    return pd.concat(
        [pd.read_parquet(directory / f"{split}.parquet").assign(file=split) for split in ("train", "eval")],
        ignore_index=True,
    )
