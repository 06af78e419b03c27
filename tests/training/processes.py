"""Run as one of several processes: train the spec given, and write what this process knows at the end."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from transformers import AutoTokenizer

from permix.personas import load_personas
from permix.problems import load_problems
from permix.training.grpo import PersonaTrainer, grpo_config
from permix.training.spec import TrainingSpec

told = TrainingSpec.model_validate_json(Path(sys.argv[1]).read_text())
trainer = PersonaTrainer(
    told,
    grpo_config(told, log_completions=True, num_completions_to_print=1, save_strategy="no"),
    load_problems(Path(told.problems), "train"),
    load_personas(Path(told.personas), "train"),
    processing_class=AutoTokenizer.from_pretrained(told.base, padding_side="left"),
)
trainer.train()
known = {"tallies": trainer.tallies, "weights": trainer.weights(), "log": trainer.state.log_history}
(told.files.root / f"process-{trainer.accelerator.process_index}.json").write_text(json.dumps(known))
