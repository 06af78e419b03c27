"""What all arms tell TRL's trainers: steps, batches, the learning rate, checkpoints."""

from __future__ import annotations

import os
from typing import Any

import torch

from permix.config import TrainingSettings
from permix.training.spec import TrainingSpec

WARM_UP = 10
"""Optimizer steps to the full learning rate; fewer in a run of under a hundred."""


def common_arguments(spec: TrainingSpec) -> dict[str, Any]:
    """Arguments of GRPOConfig and SFTConfig alike; float32 on a CPU, bfloat16 autocast on a GPU.

    Raises ValueError where the step cannot be shared out among the processes.
    """
    settings, gpu = spec.settings, torch.cuda.is_available()
    return {
        "output_dir": str(spec.files.checkpoints),
        "seed": spec.seed,
        "max_steps": settings.steps,
        **batches(settings, processes=int(os.environ.get("WORLD_SIZE", "1"))),
        "learning_rate": settings.learning_rate,
        "lr_scheduler_type": "constant_with_warmup",
        "warmup_steps": min(WARM_UP, settings.steps // 10),
        "use_cpu": not gpu,
        "bf16": gpu,
        "gradient_checkpointing": False,
        "save_steps": settings.save_every,
        "save_total_limit": 2,
        "logging_steps": 1,
        "logging_nan_inf_filter": False,
        "disable_tqdm": True,
        "report_to": "none",
        "dataloader_pin_memory": gpu,
    }


def batches(settings: TrainingSettings, processes: int) -> dict[str, int]:
    """How the rows of a step are shared out: `micro_batch` rows a pass of a process, as many passes as it takes.

    GRPO generates the whole step before its first pass (TRL's steps_per_generation is then the number of passes), so
    groups and advantages do not depend on `micro_batch`. Raises ValueError where the rows do not come out even.
    """
    rows, left = divmod(settings.completions_per_step, processes)
    size = min(settings.micro_batch or rows, rows)
    if left or rows % size:
        raise ValueError(
            f"a step of {settings.completions_per_step} completions (training.problems_per_step × group_size) cannot "
            f"be shared by {processes} processes in passes of {size} (training.micro_batch): make it a multiple"
        )
    return {"per_device_train_batch_size": size, "gradient_accumulation_steps": rows // size}
