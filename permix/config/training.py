"""How a policy is trained."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Discriminator, Field, Tag

from permix.config.section import Section

Mixing = Literal["none", "per_prompt", "per_rollout"]
MixedKind = Literal["expert", "everyday", "off_domain", "roleplay", "adverse"]
PersonaWeights = Annotated[
    Annotated[Literal["uniform", "by_kind", "adaptive"], Tag("rule")]
    | Annotated[dict[MixedKind, Annotated[float, Field(ge=0)]], Tag("kinds")],
    # So that an error speaks of the one that was meant.
    Discriminator(lambda given: "kinds" if isinstance(given, dict) else "rule"),
]


class TrainingSettings(Section):
    """PerMix-RLVR by TRL's GRPOTrainer."""

    arm: Literal["rlvr", "permix"] = "permix"
    """`rlvr` trains on the neutral prompt only; `permix` mixes personas in."""
    mixing: Mixing = "per_prompt"
    """How personas enter the prompts of the permix arm: one per group, or one per member of a group."""
    neutral_fraction: float = Field(0.25, ge=0, le=1)
    """Share of prompts (per_prompt) or rollouts (per_rollout) that carry the neutral prompt."""
    persona_weights: PersonaWeights = "uniform"
    """How often each persona is drawn: alike, every kind alike, more of those that fail most, or a weight a kind."""
    steps: int = Field(200, ge=1)
    """Optimizer steps."""
    problems_per_step: int = Field(16, ge=1)
    """Problems (groups) in one step."""
    group_size: int = Field(8, ge=2)
    """Completions that GRPO compares with each other."""
    learning_rate: float = Field(2e-4, gt=0)
    """Constant learning rate after a short warm-up."""
    kl: float = Field(0.05, ge=0)
    """Weight of the KL divergence from the base model (TRL's `beta`)."""
    temperature: float = Field(1.0, gt=0)
    """Sampling temperature of rollouts."""
    max_completion_tokens: int = Field(24, ge=1)
    """A completion is cut here, and then has no answer."""
    save_every: int = Field(50, ge=1)
    """Steps between checkpoints; a killed training resumes from the last."""
