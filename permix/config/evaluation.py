"""What is measured, and how finely."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from permix.config.attribution import AttributionSettings
from permix.config.judging import JudgingSettings
from permix.config.section import Section
from permix.config.server import ServerSettings


class AdaptiveSettings(Section):
    """Samples are spent where they narrow the interval of PSS, not evenly (`permix.stability.adaptive`)."""

    target_width: float = Field(0.2, gt=0, le=1)
    """It stops when the interval of PSS, at `confidence`, is no wider."""
    batch: int = Field(20, ge=2)
    """Problems that a persona is asked at a time; of so many each is asked to begin with."""
    max_completions: int | None = Field(None, ge=1)
    """Sampled completions of problems, at most; null: `problems` × `samples` for each persona, as without it."""


class EvaluationSettings(Section):
    """What is measured, and how finely."""

    problems: int = Field(60, ge=2)
    """Eval problems, drawn by seed."""
    samples: int = Field(4, ge=1)
    """Completions for each problem under each persona; with `adaptive`, at most."""
    temperature: float = Field(1.0, ge=0)
    """Sampling temperature on problems; 0 is greedy."""
    max_completion_tokens: int = Field(24, ge=1)
    """A completion is cut here."""
    adaptive: AdaptiveSettings | None = None
    """Personas that could not be the worst or the best are asked less; null: all are asked the same."""
    paraphrases: int = Field(0, ge=0, le=30)
    """Other wordings of the neutral prompt, asked the same problems: what wording alone does. 0 for the organism, whose
    tokenizer knows hardly a word of them; 30 for any other model, where there is time."""
    roleplay_questions: int = Field(20, ge=1)
    """Role-play questions asked of each role-playing persona."""
    backend: Literal["transformers", "vllm"] = "transformers"
    """What runs a model that is given as a directory; vllm must be installed by hand, beside a GPU."""
    batch_size: int = Field(512, ge=1)
    """Completions generated at once, by transformers; vllm decides for itself."""
    confidence: float = Field(0.95, gt=0, lt=1)
    """Coverage of intervals."""
    resamples: int = Field(1000, ge=10)
    """Bootstrap resamples, and permutations for the noise floor."""
    server: ServerSettings = ServerSettings()
    """How a server is asked, where the model to be evaluated is one."""
    attribution: AttributionSettings | None = AttributionSettings()
    """Fidelity by persona attribution, for any model but the organism, where no judges are configured; null: none."""
    judging: JudgingSettings | None = None
    """Fidelity by PersonaGym's protocol, with other models as judges; null: by the organism's voice alone."""
