"""A PersonaTrainer on the organism's training split, run in the test's own process."""

from __future__ import annotations

from pathlib import Path

from transformers import AutoTokenizer

from permix.organism import world
from permix.training.grpo import PersonaTrainer, grpo_config
from permix.training.spec import TrainingSpec

PROBLEMS = [problem for problem in world.problems() if problem.split == "train"]
PERSONAS = [persona for persona in world.personas() if persona.split == "train"]


def trained(told: TrainingSpec, resume_from: Path | None = None) -> PersonaTrainer:
    trainer = PersonaTrainer(
        told,
        grpo_config(told, log_completions=True, num_completions_to_print=1),
        PROBLEMS,
        PERSONAS,
        processing_class=AutoTokenizer.from_pretrained(told.base, padding_side="left"),
    )
    trainer.train(resume_from_checkpoint=str(resume_from) if resume_from else None)
    return trainer
