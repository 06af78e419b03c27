"""GRPO on persona-mixed groups: TRL's GRPOTrainer, and the little it lacks.

Advantages in TRL are positional: the rewards of `group_size` rows in a row are compared, and nothing looks at their
prompts. So mixing needs only a rewrite of each row's system message before TRL generates. What was left out: TRL's own
sampler (see order.py), and prompts prepared in the dataset, which could not change from pass to pass.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from datasets import Dataset
from trl import GRPOConfig, GRPOTrainer

from permix.config import Mixing
from permix.personas.mixing import effective_mixing, group_personas
from permix.personas.schema import NEUTRAL, Persona
from permix.problems.schema import Problem
from permix.training.arguments import common_arguments
from permix.training.order import ProblemOrder
from permix.training.reward import VerifiedReward
from permix.training.spec import TrainingSpec


class PersonaTrainer(GRPOTrainer):  # type: ignore[misc]  # trl is untyped
    """GRPOTrainer whose rollouts carry personas."""

    def __init__(
        self,
        spec: TrainingSpec,
        config: GRPOConfig,
        problems: Sequence[Problem],
        personas: Sequence[Persona],
        **options: Any,
    ) -> None:
        self.spec = spec
        self.mixing = effective_mixing(spec.settings)
        self.personas = personas
        refuse_mixed_groups(config, self.mixing)
        super().__init__(
            model=spec.base,
            reward_funcs=VerifiedReward(personas),
            args=config,
            train_dataset=Dataset.from_list([row(problem) for problem in problems]),
            **options,
        )

    def _get_train_sampler(self, dataset: Dataset | None = None) -> ProblemOrder:
        settings = self.spec.settings
        return ProblemOrder(
            len(self.train_dataset),
            settings.problems_per_step,
            settings.group_size,
            settings.steps,
            self.spec.seed,
            passes_per_step=self.args.steps_per_generation,
        )

    def _generate_and_score_completions(self, inputs: list[dict[str, Any]]) -> dict[str, Any]:
        first = self.accelerator.process_index * len(inputs)
        return super()._generate_and_score_completions(self.with_personas(inputs, first))  # type: ignore[no-any-return]

    def with_personas(self, rows: list[dict[str, Any]], first: int) -> list[dict[str, Any]]:
        """The rows of this step with their personas; `first` is the place of rows[0] in the step's whole batch."""
        settings = self.spec.settings
        # A step holds a problem once, so its id stands for its group.
        groups = {
            problem: group_personas(
                self.personas,
                self.mixing,
                settings.neutral_fraction,
                seed=self.spec.seed,
                step=self.state.global_step,
                problem=problem,
                size=settings.group_size,
            )
            for problem in {given["problem"] for given in rows}
        }
        members = [groups[given["problem"]][place % settings.group_size] for place, given in enumerate(rows, first)]
        return [_under(persona, given) for given, persona in zip(rows, members, strict=True)]


def _under(persona: Persona, given: dict[str, Any]) -> dict[str, Any]:
    system = {"role": "system", "content": persona.text}
    return {**given, "prompt": [system, *given["prompt"][1:]], "persona": persona.id, "persona_kind": persona.kind}


def row(problem: Problem) -> dict[str, Any]:
    """A problem as a row of TRL's dataset; `gold` reaches the reward by its name."""
    prompt = [{"role": "system", "content": NEUTRAL.text}, {"role": "user", "content": problem.question}]
    return {"prompt": prompt, "gold": problem.gold, "problem": problem.id}


def grpo_config(spec: TrainingSpec, **overrides: Any) -> GRPOConfig:
    """TRL's configuration for a profile's training settings."""
    settings = spec.settings
    values: dict[str, Any] = {
        "num_generations": settings.group_size,
        "max_completion_length": settings.max_completion_tokens,
        "temperature": settings.temperature,
        "beta": settings.kl,
    }
    return GRPOConfig(**{**common_arguments(spec), **values, **overrides})


def refuse_mixed_groups(config: GRPOConfig, mixing: Mixing) -> None:
    """Raise ValueError where the rollout engine would ignore the personas of a mixed group.

    In vLLM server mode TRL sends every `num_generations`-th prompt with n=num_generations: all members of a group
    would silently be generated under member 0's persona.
    """
    if mixing == "per_rollout" and config.use_vllm and config.vllm_mode == "server":
        raise ValueError(
            "training.mixing: per_rollout cannot run on a vLLM server: TRL would generate a whole group from its first "
            "member's persona. Set training.mixing: per_prompt, or vllm_mode: colocate"
        )
