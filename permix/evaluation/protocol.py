"""What every model of a profile is asked: drawn by seed, never by model, so that models compare."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import TypeVar

from permix.config import AnswerSettings, EvaluationSettings, digest
from permix.fidelity.voice import role_of
from permix.organism.world import roleplay_questions
from permix.personas.schema import NEUTRAL, Persona
from permix.problems.schema import Problem
from permix.stability.adaptive import Rule
from permix.stability.paraphrases import paraphrases

T = TypeVar("T")


@dataclass(frozen=True)
class Protocol:
    """The questions, who is asked, and how answers are drawn."""

    problems: tuple[Problem, ...]
    personas: tuple[Persona, ...]
    """Without the neutral prompt, by id."""
    roleplay: tuple[str, ...]
    """Questions that have no right answer."""
    paraphrases: tuple[Persona, ...]
    """Other wordings of the neutral prompt, which are asked the problems too."""
    samples: int
    """Of each problem under each persona; at most, where there is a rule."""
    temperature: float
    max_tokens: int
    seed: int
    answers: AnswerSettings
    """How an answer is asked for and where it is read; its instruction is spelled out."""
    adaptive: Rule | None = None
    """Who is asked how far, where that follows from the answers; None: all are asked the same."""

    @property
    def wording_samples(self) -> int:
        """Samples of each problem under each paraphrase: one where the personas' own follow from the answers."""
        return 1 if self.adaptive else self.samples

    @property
    def roles(self) -> tuple[Persona, ...]:
        """The personas that are asked the role-play questions: those whose voice the judge knows."""
        return tuple(persona for persona in self.personas if role_of(persona) is not None)

    @property
    def completions(self) -> int:
        """How many completions it asks for, at most: sampled and greedy on problems, and role-play."""
        sampled = len(self.problems) * (1 + len(self.personas)) * self.samples
        if self.adaptive and self.adaptive.max_completions:
            sampled = min(sampled, self.adaptive.max_completions)
        if self.paraphrases:
            sampled += len(self.problems) * (1 + len(self.paraphrases)) * self.wording_samples
        return sampled + len(self.problems) + len(self.roles) * len(self.roleplay)

    @property
    def digest(self) -> str:
        """Equal for two evaluations that asked the same in the same way."""
        return digest({**asdict(self), "answers": self.answers.model_dump(mode="json")})


def make_protocol(
    problems: Iterable[Problem],
    personas: Iterable[Persona],
    settings: EvaluationSettings,
    seed: int,
    answers: AnswerSettings = AnswerSettings(instruction=""),  # noqa: B008 - frozen
) -> Protocol:
    """Draw the eval problems and role-play questions; where there are fewer than asked for, all are taken.

    Raises ValueError when there is no eval problem or no eval persona.
    """
    eval_problems = [problem for problem in problems if problem.split == "eval"]
    eval_personas = [persona for persona in personas if persona.split == "eval" and persona.id != NEUTRAL.id]
    if not eval_problems:
        raise ValueError(
            "there is no problem with split eval to evaluate on; give the profile a source with eval problems"
        )
    if not eval_personas:
        raise ValueError("there is no persona with split eval to evaluate with; raise the source's eval_share")
    return Protocol(
        problems=tuple(draw(eval_problems, settings.problems, seed, lambda problem: problem.id)),
        personas=tuple(sorted(eval_personas, key=lambda persona: persona.id)),
        roleplay=tuple(draw(roleplay_questions(), settings.roleplay_questions, seed, str)),
        paraphrases=paraphrases(settings.paraphrases),
        samples=settings.samples,
        temperature=settings.temperature,
        max_tokens=settings.max_completion_tokens,
        seed=seed,
        answers=answers,
        adaptive=_rule(settings, seed, len(eval_personas)),
    )


def _rule(settings: EvaluationSettings, seed: int, personas: int) -> Rule | None:
    adaptive = settings.adaptive
    if adaptive is None:
        return None
    first = adaptive.batch * (1 + personas)
    if adaptive.max_completions is not None and adaptive.max_completions < first:
        raise ValueError(
            f"evaluation.adaptive.max_completions is {adaptive.max_completions}, and the first round asks {first} "
            f"({adaptive.batch} problems under {personas} personas and none); raise it, or lower its batch"
        )
    return Rule(
        target_width=adaptive.target_width,
        batch=adaptive.batch,
        max_completions=adaptive.max_completions,
        confidence=settings.confidence,
        resamples=settings.resamples,
        seed=seed,
    )


def draw(items: Sequence[T], count: int, seed: int, key: Callable[[T], str]) -> list[T]:
    """The `count` items with the lowest hash of (seed, key): a new item displaces at most one that was drawn before."""
    return sorted(items, key=lambda item: hashlib.sha256(f"{seed}/{key(item)}".encode()).hexdigest())[:count]
