"""A training taken up from a checkpoint ends as if nothing had happened, whatever it keeps beside the weights."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from persona_training import trained

from permix.personas.weights import FAILING
from permix.training.grpo import PersonaTrainer
from permix.training.spec import TrainingSpec


@pytest.mark.parametrize(
    ("mixing", "rounds"), [("per_prompt", 0), ("per_rollout", 2)], ids=["per_prompt", "per_rollout-resampled"]
)
def test_weights_of_personas_and_fresh_problems_go_on_from_the_checkpoint(
    spec: Callable[..., TrainingSpec], mixing: str, rounds: int
) -> None:
    told = spec(mixing=mixing, persona_weights="adaptive", resample_rounds=rounds, steps=6, save_every=3)
    whole = trained(told)
    elsewhere = told.model_copy(update={"directory": told.directory + "-2"})
    resumed = trained(elsewhere, told.files.checkpoints / "checkpoint-3")
    assert_same_policy(whole, resumed)
    assert resumed.tallies == whole.tallies
    assert resumed.weights() == whole.weights()
    weights = set(whole.weights().values())
    assert len(weights) > 1
    assert max(weights) / min(weights) <= FAILING
    shares = [entry for entry in whole.state.log_history if "persona_share/adverse" in entry]
    assert len(shares) == 6
    for entry in shares:
        assert sum(value for name, value in entry.items() if name.startswith("persona_share/")) == pytest.approx(1)
    assert shares[0]["persona_share/adverse"] == pytest.approx(16 / 40)
    assert shares[-1]["persona_share/adverse"] != shares[0]["persona_share/adverse"]
    extra = sum(entry.get("resampling/extra_completions", 0) for entry in shares)
    # What was thrown away counts for its personas too.
    graded = sum(tally["graded"] for tally in whole.tallies.values())
    assert graded == 6 * told.settings.completions_per_step + extra
    assert (extra > 0) == (rounds > 0)


def assert_same_policy(one: PersonaTrainer, other: PersonaTrainer) -> None:
    first, second = one.model.state_dict(), other.model.state_dict()
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_smaller_passes_go_on_from_the_checkpoint_of_larger_ones(spec: Callable[..., TrainingSpec]) -> None:
    told = spec(mixing="per_rollout", steps=6, save_every=3)
    whole = trained(told)
    smaller = told.model_copy(
        update={
            "directory": told.directory + "-2",
            "settings": told.settings.model_copy(update={"micro_batch": told.settings.completions_per_step // 4}),
        }
    )
    resumed = trained(smaller, told.files.checkpoints / "checkpoint-3")
    assert resumed.state.global_step == 6
    assert resumed.args.gradient_accumulation_steps == 4
    first, second = (
        [(entry["step"], entry["reward"], entry["completions/mean_length"]) for entry in each.state.log_history[3:6]]
        for each in (whole, resumed)
    )
    assert first == second, "the same problems, personas and draws"
    for name, weights in whole.model.state_dict().items():
        assert torch.allclose(resumed.model.state_dict()[name], weights, atol=1e-4)
