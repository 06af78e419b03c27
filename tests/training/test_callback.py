from __future__ import annotations

import math
from pathlib import Path

import pytest
from transformers import TrainerControl, TrainerState, TrainingArguments

from permix.training.callback import Bookkeeping, Diverged
from permix.training.progress import read_progress
from permix.training.spec import TrainingFiles

LOGS = {"loss": 0.1, "grad_norm": 0.5, "reward": 0.5, "kl": 0.01, "entropy": 0.3}
LOGS |= {"completions/mean_length": 9.0, "frac_reward_zero_std": 0.25}


def log(files: TrainingFiles, **changed: float) -> None:
    arguments = TrainingArguments(output_dir=str(files.checkpoints), use_cpu=True)
    state = TrainerState(global_step=3, max_steps=9)
    bookkeeping = Bookkeeping(files)
    bookkeeping.on_train_begin(arguments, state, TrainerControl())
    bookkeeping.on_log(arguments, state, TrainerControl(), {**LOGS, **changed})


def test_a_step_is_reported(tmp_path: Path) -> None:
    files = TrainingFiles(tmp_path)
    log(files)
    (step,) = read_progress(files.progress)
    assert (step.step, step.steps, step.reward, step.kl, step.zero_advantage) == (3, 9, 0.5, 0.01, 0.25)


@pytest.mark.parametrize("changed", [{"loss": math.nan}, {"loss": math.inf}, {"grad_norm": math.nan}])
def test_a_diverging_run_stops_before_its_checkpoint(tmp_path: Path, changed: dict[str, float]) -> None:
    files = TrainingFiles(tmp_path)
    (name,) = changed
    with pytest.raises(Diverged, match=rf"{name} is (nan|inf) at step 3: set a lower training.learning_rate"):
        log(files, **changed)
    assert read_progress(files.progress) == []
