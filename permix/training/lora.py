"""Low-rank adapters by peft, and how a trained policy is written down: always whole, merged and plain."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from peft import LoraConfig, PeftModel, get_peft_model, get_peft_model_state_dict, set_peft_model_state_dict
from transformers import AutoModelForCausalLM, PreTrainedModel

from permix.config import LoraSettings


def lora_config(settings: LoraSettings | None) -> LoraConfig | None:
    """peft's configuration; None trains the weights themselves."""
    if settings is None:
        return None
    modules = settings.target_modules
    return LoraConfig(
        task_type="CAUSAL_LM",
        r=settings.rank,
        lora_alpha=settings.alpha,
        lora_dropout=settings.dropout,
        target_modules=modules if isinstance(modules, str) else list(modules),
    )


def save_policy(trainer: Any, directory: Path) -> None:
    """The trainer's model and tokenizer, as any transformers model; every process of a training must call it.

    Not by Trainer.save_model, which adds a pickle of the training arguments. Adapters are merged into a fresh copy of
    the base: merging them in the model that trains and undoing it would change its weights by rounding, and what is
    handed on (to MLflow, to a server) must not be a PeftModel, which MLflow corrupts silently (mlflow 23761).
    """
    model = trainer.accelerator.unwrap_model(trainer.model)
    state = trainer.accelerator.get_state_dict(trainer.model)  # gathered, where the weights are sharded
    if not trainer.is_world_process_zero():
        return
    if isinstance(model, PeftModel):
        merged(model, state).save_pretrained(directory)
    else:
        model.save_pretrained(directory, state_dict=state)
    trainer.processing_class.save_pretrained(directory)


def merged(model: PeftModel, state: dict[str, Any] | None = None) -> PreTrainedModel:
    """A plain model that computes what the adapted one computes; `state` is the adapted one's, where it is sharded."""
    config = model.peft_config["default"]
    base = AutoModelForCausalLM.from_pretrained(
        config.base_model_name_or_path,
        dtype=model.get_base_model().dtype,
        local_files_only=True,
        trust_remote_code=False,
        use_safetensors=True,
    )
    # The model that trains may have settings of its trainer's by now; the base's own are kept.
    copy = get_peft_model(base, config)
    set_peft_model_state_dict(copy, get_peft_model_state_dict(model, state_dict=state))
    plain: PreTrainedModel = copy.merge_and_unload(safe_merge=True)
    return plain
