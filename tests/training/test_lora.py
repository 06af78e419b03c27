from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import PeftModel, get_peft_model
from transformers import AutoModelForCausalLM, TrainerControl, TrainerState, TrainingArguments

from permix.config import LoraSettings
from permix.personas import load_personas
from permix.problems import load_problems
from permix.reference import Reference, facts, finished
from permix.training import child
from permix.training.callback import Bookkeeping
from permix.training.checkpoint import last_checkpoint
from permix.training.lora import lora_config, merged
from permix.training.spec import TrainingSpec


def trained(told: TrainingSpec) -> Reference:
    """Train in this process."""
    return child.train(told, load_problems(Path(told.problems), "train"), load_personas(Path(told.personas), "train"))


def test_the_merged_model_computes_what_the_adapted_one_does(tiny_base: Path) -> None:
    adapted = get_peft_model(
        AutoModelForCausalLM.from_pretrained(tiny_base), lora_config(LoraSettings(rank=4, alpha=8, dropout=0.5))
    )
    torch.manual_seed(0)
    for name, parameter in adapted.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(parameter, std=0.3)  # zero at first: there would be nothing to merge
    before = {name: value.clone() for name, value in adapted.state_dict().items()}
    plain = merged(adapted)
    assert not isinstance(plain, PeftModel)
    assert {type(module).__module__.partition(".")[0] for module in plain.modules()} <= {"torch", "transformers"}
    ids = torch.arange(5, 45).reshape(2, 20)
    with torch.no_grad():
        given = adapted.eval()(ids).logits
        torch.testing.assert_close(plain.eval()(ids).logits, given, rtol=1e-4, atol=1e-4)
        with adapted.disable_adapter():
            assert not torch.allclose(adapted(ids).logits, given, atol=0.1), "the adapters do something"
    # The one that goes on training is as it was, to the bit.
    assert all(torch.equal(value, before[name]) for name, value in adapted.state_dict().items())


class Interrupted(KeyboardInterrupt):
    pass


class Interrupting(Bookkeeping):
    """Ends the training at step 5, as Ctrl-C would."""

    def on_log(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, logs: dict[str, Any], **_: Any
    ) -> None:
        super().on_log(args, state, control, logs)
        if state.global_step == 5:
            raise Interrupted


@pytest.mark.parametrize("arm", ["permix", "sft"])
def test_adapters_resume_and_end_as_one_plain_model(
    spec: Callable[..., TrainingSpec], monkeypatch: pytest.MonkeyPatch, arm: str
) -> None:
    small = {
        "arm": arm,
        "mixing": "per_rollout",
        "steps": 7,
        "save_every": 4,
        "probe_every": None,  # the last policy is kept, and must be the same
        "learning_rate": 1e-2,
        "lora": {"rank": 4, "alpha": 8, "dropout": 0.1, "target_modules": ["q_proj", "v_proj", "down_proj"]},
    }
    told = spec("interrupted", **small)
    with monkeypatch.context() as patch:
        patch.setattr(child, "Bookkeeping", Interrupting)
        with pytest.raises(Interrupted):
            trained(told)
    checkpoint = last_checkpoint(told.files.checkpoints)
    assert checkpoint is not None
    assert (checkpoint / "adapter_model.safetensors").is_file()
    assert finished(told.files.result) is None
    done = trained(told)
    whole = trained(spec("whole", **small))
    assert done.digest == whole.digest, "bit by bit the same policy"

    base = facts(Reference(told.base, ""))["files"]
    files = facts(whole)["files"]
    assert {name.removeprefix("policy/") for name in files} == set(base), "a whole model like the base, and no adapter"
    assert files["policy/model.safetensors"] != base["model.safetensors"]
