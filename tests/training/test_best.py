from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from transformers import TrainerControl, TrainerState, TrainingArguments

from permix.generation.local import load
from permix.personas import load_personas
from permix.personas.spread import spread
from permix.problems import load_problems
from permix.reference import facts
from permix.training import child
from permix.training.best import KeepBest, policy_of
from permix.training.callback import Bookkeeping
from permix.training.checkpoint import checkpoint_path, finish_checkpoint
from permix.training.launch import train_in_child
from permix.training.probe import Probe, append_probe, ask, best, hold_out, read_probes
from permix.training.spec import TrainingSpec


class Ruining(Bookkeeping):
    """From step 16 on the learning rate is a thousand times what it should be."""

    def on_step_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, optimizer: Any = None, **_: Any
    ) -> None:
        if state.global_step >= 16:
            for group in optimizer.optimizer.param_groups:
                group["lr"] = 1000 * args.learning_rate


@pytest.mark.parametrize("decoding", ["sampled", "greedy"])
def test_a_run_whose_later_steps_are_ruined_keeps_an_earlier_policy(
    spec: Callable[..., TrainingSpec], monkeypatch: pytest.MonkeyPatch, decoding: str
) -> None:
    monkeypatch.setattr(child, "Bookkeeping", Ruining)
    told = spec(
        arm="sft",
        steps=26,
        learning_rate=5e-3,
        save_every=10,
        probe_every=8,
        probe_problems=12,
        probe_decoding=decoding,
    )
    problems, personas = (
        load_problems(Path(told.problems), "train"),
        load_personas(Path(told.personas), "train"),
    )
    reference = child.train(told, problems, personas)
    probes = {probe.step: probe for probe in read_probes(told.files.probes)}
    assert list(probes) == [0, 8, 16, 24, 26]
    assert probes[26].mean < 0.5 * probes[16].mean, f"it was ruined: {probes}"
    kept = facts(reference)
    # The base counts as a policy: if what came before the ruin taught nothing either, it is the one.
    assert kept["kept_step"] in (0, 8, 16)
    assert probes[kept["kept_step"]].mean == max(probe.mean for probe in probes.values())
    assert kept["kept_why"].startswith(
        f"step {kept['kept_step']} solved most held-out problems of 5 probes (12 problems"
    )
    assert {int(step): value["mean"] for step, value in kept["held_out"].items()} == {
        step: probe.mean for step, probe in probes.items()
    }
    # What is kept is that step's policy: asked again, it solves the same.
    held, _ = hold_out(problems, 12)
    model = load(reference.file("policy"), device="cpu")
    asked, _ = ask(model, told, held, spread(personas, told.settings.probe_personas))
    assert asked == probes[kept["kept_step"]].accuracies


def test_a_policy_is_dropped_when_no_resumed_run_can_need_it(spec: Callable[..., TrainingSpec]) -> None:
    told = spec()
    files = told.files
    keeper = KeepBest(told, [], [])
    files.root.mkdir(parents=True)
    left = []
    for step, accuracy in [(0, 0.5), (4, 0.7), (8, 0.6), (12, 0.8)]:
        policy_of(told, step).mkdir(parents=True)
        append_probe(files.probes, Probe(step, {"neutral": accuracy}))
        keeper.drop_beaten()
        left.append(sorted(path.name for path in files.best.iterdir()))
        if step == 8:
            checkpoint_path(files.checkpoints, 10).mkdir(parents=True)
            finish_checkpoint(files.checkpoints, 10)
    # Until there is a checkpoint a killed run begins anew; from step 10 it has the policy of step 4 and not that of 12.
    assert left == [["step-0"], ["step-0", "step-4"], ["step-0", "step-4"], ["step-12", "step-4"]]


def test_without_probes_the_last_policy_is_kept_and_nothing_is_held_out(spec: Callable[..., TrainingSpec]) -> None:
    told = spec(arm="sft", steps=2, probe_every=None, problems_per_step=2, group_size=4)
    problems = load_problems(Path(told.problems), "train")[:5]
    reference = child.train(told, problems, [])
    assert facts(reference)["kept_step"] == 2
    assert facts(reference)["kept_why"] == "the last step: training.probe_every is null"
    assert not told.files.probes.exists()


@pytest.mark.slow
def test_two_processes_probe_and_keep_as_one_training(spec: Callable[..., TrainingSpec]) -> None:
    two = str(Path(__file__).resolve().parent.parent.parent / "infra" / "accelerate" / "two_cpu_processes.yaml")
    probing = {"steps": 4, "save_every": 2, "probe_every": 2, "probe_problems": 6, "probe_personas": 2}
    told = spec(arm="sft", lora={"rank": 4}, launch=two, **probing)
    done = train_in_child(told)
    probes = read_probes(told.files.probes)
    assert [probe.step for probe in probes] == [0, 2, 4]
    assert facts(done)["kept_step"] == best(probes).step
    assert load(done.file("policy"), device="cpu").model.num_parameters() > 0
