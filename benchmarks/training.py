"""GRPO by plain TRL and by permix, in turn, on the same base, problems and batch: completions/s and where time goes.

Plain TRL is what a minimal script does: GRPOTrainer on the neutral prompt, TRL's `accuracy_reward` (math-verify), no
personas, nothing logged. Once more with permix's verifier as its reward, so that the trainers alone can be compared.
permix is the training child's own trainer with mixed groups (per_rollout), adaptive persona weights, the verifier,
curves by persona, progress and MLflow; its prompts are the longer ones, and differ within a group. Checkpoints and
probes of held-out accuracy are left out of both.

    python benchmarks/training.py                   # the organism (trained first: a minute and a half), two minutes
    python benchmarks/training.py --base DIRECTORY  # a base model in transformers' format
    python benchmarks/training.py --rounds 5 --steps 30 --mixing per_prompt
    python benchmarks/training.py --cpu-time        # on a busy machine: CPU seconds of one thread, not elapsed ones

Each variant trains a few steps a round, round after round, so that what else the machine does falls on all alike. The
first steps of a round are not counted. Rates are medians over rounds, the breakdown is a mean.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

UNCOUNTED = 3
"""Steps at the start of a round: imports, allocation, caches."""


def main() -> None:
    """Run the rounds and print the table."""
    arguments = parse()
    # Before torch is imported: idle threads must not spin, or whatever else runs here is slowed down by them.
    os.environ.setdefault("GOMP_SPINCOUNT", "1000")
    os.environ.update(HF_HUB_OFFLINE="1", DO_NOT_TRACK="true", MLFLOW_DISABLE_TELEMETRY="true")
    os.environ["TRANSFORMERS_VERBOSITY"] = "error"
    clock = time.process_time if arguments.cpu_time else time.perf_counter
    if arguments.cpu_time:
        os.environ["OMP_NUM_THREADS"] = "1"
    import warnings

    warnings.simplefilter("ignore", FutureWarning)
    with tempfile.TemporaryDirectory() as scratch:
        root = Path(scratch)
        base = arguments.base or train_organism(root / "base")
        start_mlflow(root)
        variants: dict[str, Callable[[], Any]] = {
            "TRL, math-verify": lambda: plain(base, root, arguments.steps, ours=False),
            "TRL, our verifier": lambda: plain(base, root, arguments.steps, ours=True),
            f"permix, {arguments.mixing}": lambda: permix(base, root, arguments.steps, arguments.mixing),
        }
        rounds: dict[str, list[Timing]] = defaultdict(list)
        for number in range(arguments.rounds):
            for name, make in variants.items():
                rounds[name].append(timed(make(), clock))
                print(f"round {number + 1}  {name:24} {rounds[name][-1].rate:6.0f} completions/s", flush=True)
    report(rounds)


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--base", type=str, help="a base model in transformers' format; without it, the organism")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument(
        "--steps", type=int, default=15, help=f"of each variant in a round; {UNCOUNTED} are not counted"
    )
    parser.add_argument("--mixing", choices=["per_prompt", "per_rollout"], default="per_rollout")
    parser.add_argument("--cpu-time", action="store_true", help="one thread, and its CPU seconds for elapsed ones")
    return parser.parse_args()


# --- the variants: 16 problems × 8 completions, KL 0.05, 24 tokens, as in configs/organism.yaml


def train_organism(directory: Path) -> str:
    from permix.config import OrganismSettings
    from permix.organism.base import train_base

    print("training the organism ...", flush=True)
    train_base(OrganismSettings(), seed=0, directory=directory)
    return str(directory)


def start_mlflow(root: Path) -> None:
    """A store of its own, and the run that the trainer's callback logs into."""
    import mlflow

    mlflow.set_tracking_uri(f"sqlite:///{root / 'mlflow.db'}")
    experiment = mlflow.create_experiment("benchmark", artifact_location=(root / "artifacts").as_uri())
    os.environ["MLFLOW_RUN_ID"] = mlflow.MlflowClient().create_run(experiment).info.run_id
    os.environ["MLFLOW_MAX_LOG_PARAMS"] = "0"


def plain(base: str, root: Path, steps: int, *, ours: bool) -> Any:
    """What a minimal script of TRL has."""
    from datasets import Dataset
    from transformers import AutoTokenizer
    from trl import GRPOConfig, GRPOTrainer
    from trl.rewards import accuracy_reward

    from permix.organism import world
    from permix.verifier import verify

    def verified(completions: list[Any], solution: list[str], **_: Any) -> list[float | None]:
        return [
            verdict.reward for verdict in verify([completion[0]["content"] for completion in completions], solution)
        ]

    system = {"role": "system", "content": "You are a helpful assistant."}
    rows = [
        # accuracy_reward reads a bare gold only in a box.
        {
            "prompt": [system, {"role": "user", "content": problem.question}],
            "solution": problem.gold if ours else f"\\boxed{{{problem.gold}}}",
        }
        for problem in world.problems()
        if problem.split == "train"
    ]
    config = GRPOConfig(
        output_dir=str(root / "plain"),
        seed=0,
        max_steps=steps,
        per_device_train_batch_size=128,
        num_generations=8,
        max_completion_length=24,
        beta=0.05,
        learning_rate=2e-4,
        use_cpu=True,
        bf16=False,
        gradient_checkpointing=False,
        save_strategy="no",
        logging_steps=1,
        disable_tqdm=True,
        report_to="none",
    )
    return GRPOTrainer(
        model=base,
        reward_funcs=verified if ours else accuracy_reward,
        args=config,
        train_dataset=Dataset.from_list(rows),
        processing_class=AutoTokenizer.from_pretrained(base, padding_side="left"),
    )


def permix(base: str, root: Path, steps: int, mixing: str) -> Any:
    """The training child's trainer, with its callbacks."""
    from permix.config import TrainingSettings
    from permix.organism import world
    from permix.training.callback import Bookkeeping
    from permix.training.child import make_trainer
    from permix.training.curves import Curves
    from permix.training.spec import TrainingSpec

    settings = {"mixing": mixing, "persona_weights": "adaptive", "steps": steps, "save_every": 10**6}
    spec = TrainingSpec(
        base=base,
        problems="",
        personas="",
        directory=str(root / "permix"),
        settings=TrainingSettings.model_validate(settings),
        seed=0,
    )
    spec.files.root.mkdir(exist_ok=True)
    problems = [problem for problem in world.problems() if problem.split == "train"]
    personas = [persona for persona in world.personas() if persona.split == "train"]
    trainer = make_trainer(spec, problems, personas, [Curves(), Bookkeeping(spec.files)])
    trainer.args.save_strategy = "no"
    return trainer


# --- the clock


class Timing:
    """Seconds of the counted steps, by some clock, whole and by part."""

    def __init__(self, completions: int, clock: Callable[[], float]) -> None:
        self.completions = completions
        self.clock = clock
        self.steps = 0
        self.seconds = 0.0
        self.parts: dict[str, float] = defaultdict(float)

    @property
    def rate(self) -> float:
        """Completions a second."""
        return self.steps * self.completions / self.seconds

    def around(self, owner: Any, method: str, part: str) -> None:
        """Add the time within a method to a part."""
        inner = getattr(owner, method)

        def outer(*args: Any, **kwargs: Any) -> Any:
            begin = self.clock()
            try:
                return inner(*args, **kwargs)
            finally:
                self.parts[part] += self.clock() - begin

        setattr(owner, method, outer)


def timed(trainer: Any, clock: Callable[[], float]) -> Timing:
    """Train, and tell what it took."""
    import torch
    from transformers import PrinterCallback, TrainerCallback

    timing = Timing(128, clock)
    timing.around(trainer, "_generate_single_turn", "generation")
    timing.around(trainer, "_calculate_rewards", "scoring")
    timing.around(trainer, "_prepare_inputs", "all before the loss")
    timing.around(trainer, "training_step", "all")
    # Without a gradient it is the reference model's, with one the policy's, which is part of the loss.
    inner = trainer._get_per_token_logps_and_entropies

    def log_probs(*args: Any, **kwargs: Any) -> Any:
        begin = clock()
        result = inner(*args, **kwargs)
        if not torch.is_grad_enabled():
            timing.parts["reference"] += clock() - begin
        return result

    trainer._get_per_token_logps_and_entropies = log_probs

    class Clock(TrainerCallback):  # type: ignore[misc]  # transformers is untyped
        """Starts after the steps that are not counted; what is done between steps counts."""

        begin = 0.0

        def on_step_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            if state.global_step == UNCOUNTED:
                timing.parts.clear()
                self.begin = clock()
            elif state.global_step > UNCOUNTED:
                timing.steps, timing.seconds = state.global_step - UNCOUNTED, clock() - self.begin

    trainer.add_callback(Clock())
    trainer.remove_callback(PrinterCallback)
    trainer.train()
    # The last step is not followed by another, whose beginning would count it: its share is taken off.
    share = timing.steps / (timing.steps + 1)
    timing.parts = defaultdict(float, {part: seconds * share for part, seconds in timing.parts.items()})
    return timing


def report(rounds: dict[str, list[Timing]]) -> None:
    """The table, and how much faster permix is."""
    names = ["generation", "scoring", "reference", "loss", "rest"]
    print(f"\n{'ms a step':24}" + "".join(f"{name:>12}" for name in names) + f"{'completions/s':>16}")
    rates = {}
    for variant, timings in rounds.items():
        steps = sum(timing.steps for timing in timings)
        parts = {part: sum(timing.parts[part] for timing in timings) / steps for part in timings[0].parts}
        parts["loss"] = parts["all"] - parts["all before the loss"]
        whole = sum(timing.seconds for timing in timings) / steps
        parts["rest"] = whole - sum(parts[name] for name in names[:-1])
        rates[variant] = statistics.median(timing.rate for timing in timings)
        print(f"{variant:24}" + "".join(f"{1000 * parts[name]:12.1f}" for name in names) + f"{rates[variant]:16.0f}")
    *peers, ours = rates
    print("loss: forward and backward; rest: the update, logging, personas, tokenizing, data\n")
    for peer in peers:
        ratios = [mine.rate / theirs.rate for mine, theirs in zip(rounds[ours], rounds[peer], strict=True)]
        spread = f"{min(ratios):.2f} to {max(ratios):.2f}"
        print(f"{ours} is {statistics.median(ratios):.2f} times as fast as {peer} ({spread})")


if __name__ == "__main__":
    main()
