"""Each step's metrics in MLflow, once, also when a killed training does some steps again."""

from __future__ import annotations

from typing import Any

from transformers import TrainerControl, TrainerState, TrainingArguments
from transformers.integrations import MLflowCallback


class Curves(MLflowCallback):  # type: ignore[misc]  # transformers is untyped
    """MLflowCallback, which writes in the background, made to survive a kill.

    Not report_to="mlflow": TRL would also write each of its timers, and wait for it: 7 % of a step.

    Before a checkpoint counts, what was logged up to it is in the store, so a resumed run leaves no gap; steps after
    it that are there already are not logged again, so it makes no double. On a CPU a step done again has the same
    metrics anyhow; on a GPU those of the first time stand, rounded otherwise. Comes before the callback that marks
    checkpoints.
    """

    def __init__(self) -> None:
        super().__init__()
        self._there: set[int] = set()

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, model: Any = None, **_: Any
    ) -> None:
        """Look which steps the run has."""
        super().on_train_begin(args, state, control, model=model)
        if state.is_world_process_zero:
            run_id = self._ml_flow.active_run().info.run_id
            history = self._ml_flow.MlflowClient().get_metric_history(run_id, "loss")
            self._there = {point.step for point in history}

    def on_log(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        logs: dict[str, Any],
        model: Any = None,
        **_: Any,
    ) -> None:
        """Log a step that the run has not; the trainer's summary at the end has no loss, and is always logged."""
        if "loss" not in logs or state.global_step not in self._there:
            super().on_log(args, state, control, logs, model=model)

    def on_save(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        """Wait until the store has everything."""
        if state.is_world_process_zero:
            self._ml_flow.flush_async_logging()
