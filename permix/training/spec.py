"""What a training child is told, and where it puts things."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from permix.config import AnswerSettings, Section, TrainingSettings


class TrainingSpec(Section):
    """Everything that decides a training's result; the parent writes it as JSON, the child reads it."""

    base: str
    """The model to start from: a local directory, or a Hugging Face id."""
    teacher: str | None = None
    """Directory of the model that writes for the distillation arm; None is the base model itself."""
    problems: str
    """Directory of the curated problems."""
    personas: str
    """Directory of the curated personas."""
    directory: str
    """Where this training lives; it resumes from what it finds there."""
    settings: TrainingSettings
    """The profile's training section."""
    answers: AnswerSettings = AnswerSettings(instruction="")
    """How an answer is asked for and read; its instruction is spelled out."""
    roleplay: tuple[str, ...] = ()
    """Role-play questions, where the settings ask any."""
    seed: int
    """Every random choice follows from it."""

    @property
    def files(self) -> TrainingFiles:
        """Paths in the training's directory."""
        return TrainingFiles(Path(self.directory))


@dataclass(frozen=True)
class TrainingFiles:
    """Where a training's files are."""

    root: Path

    @property
    def spec(self) -> Path:
        """The spec as JSON."""
        return self.root / "spec.json"

    @property
    def lock(self) -> Path:
        """Held by the child that trains here."""
        return self.root / "lock"

    @property
    def log(self) -> Path:
        """What the child and its libraries print."""
        return self.root / "child.log"

    @property
    def progress(self) -> Path:
        """One line of JSON a step."""
        return self.root / "progress.jsonl"

    @property
    def probes(self) -> Path:
        """One line of JSON a probe of held-out accuracy."""
        return self.root / "probes.jsonl"

    @property
    def tables(self) -> Path:
        """What the policy wrote and how each persona does, for a person to read; the stage logs it to MLflow."""
        return self.root / "tables"

    @property
    def best(self) -> Path:
        """The policy that did best in the probes so far; removed when the result is complete."""
        return self.root / "best"

    @property
    def examples(self) -> Path:
        """What a supervised arm learns from, and what was refused; finished before training starts."""
        return self.root / "examples"

    @property
    def teacher(self) -> Path:
        """The teacher's completions, kept so that a killed training does not ask for them again."""
        return self.root / "teacher.sqlite"

    @property
    def checkpoints(self) -> Path:
        """Where it resumes from; removed when the result is complete."""
        return self.root / "checkpoints"

    @property
    def result(self) -> Path:
        """The finished directory; the only part under a digest, so that the same training has the same digest."""
        return self.root / "result"

    @property
    def policy(self) -> Path:
        """The trained model and its tokenizer."""
        return self.result / "policy"
