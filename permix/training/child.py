"""The training child: `python -m permix.training.child SPEC.json`.

A process of its own, so that it can be watched, cancelled and killed, and so that its memory is given back. The same
command run again goes on from the last checkpoint. It reports to MLflow when MLFLOW_RUN_ID names a run.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

import transformers
from transformers.integrations import MLflowCallback

from permix.personas import load_personas
from permix.personas.schema import Persona
from permix.problems import load_problems
from permix.problems.schema import Problem
from permix.reference import Reference, finish, finished
from permix.training.callback import Bookkeeping
from permix.training.checkpoint import last_checkpoint, remove_unfinished
from permix.training.grpo import PersonaTrainer, grpo_config
from permix.training.parent import end_with_parent, only_one
from permix.training.spec import TrainingSpec


def main(spec_file: Path) -> None:
    """Train as the file says."""
    spec = TrainingSpec.model_validate_json(spec_file.read_text(encoding="utf-8"))
    with only_one(spec.files.lock):
        train(spec, load_problems(Path(spec.problems), "train"), load_personas(Path(spec.personas), "train"))


def train(spec: TrainingSpec, problems: Sequence[Problem], personas: Sequence[Persona]) -> Reference:
    """Train a policy into the spec's directory, from its last checkpoint if there is one."""
    files = spec.files
    if (done := finished(files.result)) is not None:
        return done
    transformers.utils.logging.disable_progress_bar()
    remove_unfinished(files.checkpoints)
    checkpoint = last_checkpoint(files.checkpoints)
    print(f"from {checkpoint or spec.base}, {spec.settings.steps} steps", flush=True)
    callbacks: list[transformers.TrainerCallback] = [Bookkeeping(files)]
    if "MLFLOW_RUN_ID" in os.environ:
        # Not report_to="mlflow": TRL would also write each of its timers, and wait for it: 7 % of a step.
        callbacks.append(MLflowCallback())
    trainer = PersonaTrainer(
        spec,
        grpo_config(spec),
        problems,
        personas,
        processing_class=transformers.AutoTokenizer.from_pretrained(spec.base, padding_side="left"),
        callbacks=callbacks,
    )
    trainer.remove_callback(transformers.PrinterCallback)  # progress has a file of its own
    trainer.train(resume_from_checkpoint=str(checkpoint) if checkpoint else None)
    save_policy(trainer, files.policy)
    done = finish(files.result, steps=spec.settings.steps, seed=spec.seed)
    shutil.rmtree(files.checkpoints)
    return done


def save_policy(trainer: PersonaTrainer, directory: Path) -> None:
    """Weights and tokenizer; not by Trainer.save_model, which adds a pickle of the training arguments."""
    trainer.accelerator.unwrap_model(trainer.model).save_pretrained(directory)
    trainer.processing_class.save_pretrained(directory)


if __name__ == "__main__":
    end_with_parent()
    main(Path(sys.argv[1]))
