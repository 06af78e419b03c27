"""What a training child is told, and where it puts things."""

from __future__ import annotations

from pathlib import Path

from permix.config import Section, TrainingSettings


class TrainingSpec(Section):
    """Everything that decides a training's result; the parent writes it as JSON, the child reads it."""

    base: str
    """The model to start from: a local directory, or a Hugging Face id."""
    problems: str
    """Directory of the curated problems."""
    personas: str
    """Directory of the curated personas."""
    directory: str
    """Where this training lives; it resumes from what it finds there."""
    settings: TrainingSettings
    seed: int

    @property
    def files(self) -> TrainingFiles:
        """Paths in the training's directory."""
        return TrainingFiles(Path(self.directory))


class TrainingFiles:
    """Where a training's files are."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.spec = root / "spec.json"
        self.log = root / "child.log"
        """What the child and its libraries print."""
        self.progress = root / "progress.jsonl"
        self.checkpoints = root / "checkpoints"
        self.result = root / "result"
        """The only part under the result's digest; `policy/` in it is the trained model with its tokenizer."""
        self.policy = self.result / "policy"
