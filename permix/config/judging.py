"""How fidelity is judged by other models."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from permix.config.section import Section
from permix.config.server import ServerSettings

JUDGE_NAME = r"^[A-Za-z0-9][A-Za-z0-9 ._:/@-]*$"


class ServerJudge(ServerSettings):
    """A judge behind an OpenAI-compatible server."""

    kind: Literal["server"]
    """Selects this kind."""
    name: str = Field(pattern=JUDGE_NAME)
    """What reports call it."""
    url: str = Field(pattern="^https?://")
    """The server's address up to the version, as in http://127.0.0.1:8000/v1."""
    model: str = Field(min_length=1)
    """The server's name of the model."""


class LocalJudge(Section):
    """A judge in this process."""

    kind: Literal["local"]
    """Selects this kind."""
    name: str = Field(pattern=JUDGE_NAME)
    """What reports call it."""
    path: str = Field(min_length=1)
    """Directory of a transformers checkpoint with a chat template."""


Judge = Annotated[ServerJudge | LocalJudge, Field(discriminator="kind")]


class JudgingSettings(Section):
    """PersonaGym's protocol: the model answers in character, judges score each reply from 1 to 5."""

    questions: str = "permix"
    """`permix` is our own small set; else a directory in PersonaGym's format, with questions and rubrics."""
    personas: int = Field(200, ge=1)
    """The set's first so many personas."""
    questions_per_task: int = Field(10, ge=1)
    """The first so many questions of each of a persona's five tasks."""
    temperature: float = Field(0.9, ge=0)
    """Sampling temperature of the replies that are judged; PersonaGym's is 0.9."""
    top_p: float = Field(0.9, gt=0, le=1)
    """Their nucleus; PersonaGym's is 0.9."""
    reply_tokens: int = Field(512, ge=1)
    """A reply in character is cut here."""
    judges: tuple[Judge, ...] = Field(min_length=1)
    """Each scores every reply; a reply's score is their mean."""
    examples: Judge | None = None
    """Writes the examples of each score that PersonaGym shows its judges; null: they go by the rubric alone."""
    judge_temperature: float = Field(0.0, ge=0)
    """Sampling temperature of the judges; PersonaGym's is 0."""
    judge_tokens: int = Field(1024, ge=1)
    """A judge's reply is cut here; one that was cut is asked for again."""
    asked_again: int = Field(2, ge=0)
    """How often a judge is asked for a score that could not be read; then the reply counts as unparsed."""

    @model_validator(mode="after")
    def _names_differ(self) -> Self:
        names = [judge.name for judge in self.judges]
        if len(set(names)) < len(names):
            raise ValueError(f"two judges have one name ({', '.join(names)}): reports could not tell them apart")
        return self
