"""Where problems come from and what they must satisfy."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from permix.config.section import SOURCE_NAME, Section


class OrganismProblems(Section):
    """Arithmetic problems of the organism's world, split into train and eval by the world itself."""

    kind: Literal["organism"] = "organism"
    """Selects this source."""


class FileProblems(Section):
    """Problems in a local file, one a row."""

    kind: Literal["file"]
    """Selects this source."""
    name: str = Field(pattern=SOURCE_NAME)
    """Name of the source; it prefixes problem ids and appears in every report."""
    path: str = Field(pattern=r"\.(jsonl|csv|parquet)$")
    """File, whose ending tells its format; relative to the working directory."""
    split: Literal["train", "eval"]
    """What the rows are for. No eval problem, nor one that overlaps with it, is ever trained on."""
    question: str = "problem"
    """Column that holds the question."""
    gold: str = "answer"
    """Column that holds the gold answer, or the text that contains it (see gold_format)."""
    gold_format: Literal["bare", "boxed", "hashes"] = "bare"
    r"""How the gold stands in its column: alone, the last `\boxed{}` of a solution (MATH), or after `####` (GSM8K)."""
    solution: str | None = None
    """Column with a reference solution (for `hashes` in GSM8K's form); without it, the gold column unless bare."""
    id: str | None = None
    """Column with a unique id; without it, the line number."""
    subject: str | None = None
    """Column with the subject, for reports by subject."""
    level: str | None = None
    """Column with the difficulty level, for reports by level."""


ProblemSource = Annotated[OrganismProblems | FileProblems, Field(discriminator="kind")]


class ProblemSettings(Section):
    """Where problems come from and what they must satisfy."""

    sources: tuple[ProblemSource, ...] = (OrganismProblems(),)
    """Sources, in order; of two equal problems the first is kept."""
    max_question_chars: int = Field(8000, ge=1)
    """Longer questions are rejected."""
    overlap_ngram: int = Field(8, ge=2)
    """A training problem that shares a run of this many words with an eval problem is rejected as contaminated."""
    max_rejected_share: float = Field(0.2, ge=0, le=1)
    """Curation fails when a larger share of rows than this was rejected: a broken source, not a few bad rows."""
