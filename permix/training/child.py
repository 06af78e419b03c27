"""The training child: `python -m permix.training.child SPEC.json`.

A process of its own, so that it can be watched, cancelled and killed, and so that its memory is given back. The same
command run again goes on from the last checkpoint.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path

import torch
from transformers import AutoTokenizer

from permix.personas.schema import Persona
from permix.problems.schema import Problem
from permix.reference import Reference, finish, finished
from permix.training.checkpoint import last_checkpoint
from permix.training.grpo import PersonaTrainer, grpo_config
from permix.training.progress import ProgressWriter
from permix.training.spec import TrainingSpec


def main(spec_file: Path) -> None:
    """Train as the file says."""
    from permix.personas import load_personas
    from permix.problems import load_problems

    spec = TrainingSpec.model_validate_json(spec_file.read_text(encoding="utf-8"))
    train(spec, load_problems(Path(spec.problems), "train"), load_personas(Path(spec.personas), "train"))


def train(spec: TrainingSpec, problems: Sequence[Problem], personas: Sequence[Persona]) -> Reference:
    """Train a policy into the spec's directory, from its last checkpoint if there is one."""
    if (done := finished(spec.files.result)) is not None:
        return done
    torch.set_num_threads(len(os.sched_getaffinity(0)))
    checkpoint = last_checkpoint(spec.files.checkpoints)
    trainer = PersonaTrainer(
        spec,
        grpo_config(spec, report_to="mlflow" if "MLFLOW_RUN_ID" in os.environ else "none"),
        problems,
        personas,
        processing_class=AutoTokenizer.from_pretrained(spec.base, padding_side="left"),
        callbacks=[ProgressWriter(spec)],
    )
    trainer.train(resume_from_checkpoint=str(checkpoint) if checkpoint else None)
    save_policy(trainer, spec.files.policy)
    return finish(spec.files.result, steps=spec.settings.steps, seed=spec.seed)


def save_policy(trainer: PersonaTrainer, directory: Path) -> None:
    """Weights and tokenizer; not Trainer.save_model, which adds a pickle of the training arguments."""
    trainer.accelerator.unwrap_model(trainer.model).save_pretrained(directory)
    trainer.processing_class.save_pretrained(directory)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
