"""A model that is a script: it errs as often as it is told to, and speaks in the organism's voices.

Under a persona that the organism's world does not know, it is the plain assistant.
"""

from __future__ import annotations

import random
import re
from collections.abc import Mapping, Sequence

from permix.config import EvaluationSettings
from permix.evaluation.evaluate import ask, make_scorecard
from permix.evaluation.protocol import Protocol, make_protocol
from permix.evaluation.scorecard import Scorecard
from permix.generation import Chat, Completion, Generate, Sampling
from permix.organism import world
from permix.personas.schema import NEUTRAL, Persona

SETTINGS = EvaluationSettings(problems=12, samples=2, roleplay_questions=3, resamples=200)
BY_TEXT = {persona.text: persona for persona in (NEUTRAL, *world.personas())}


def scripted(wrong: Mapping[str, float], mute: frozenset[str] = frozenset()) -> Generate:
    """Wrong in this share of its answers to problems, by persona id (0 if absent); `mute` personas have no voice."""

    def generate(prompts: Sequence[Chat], sampling: Sampling) -> list[list[Completion]]:
        return [[_complete(prompt, sample, sampling) for sample in sampling.numbers] for prompt in prompts]

    def _complete(prompt: Chat, sample: int, sampling: Sampling) -> Completion:
        persona, question = BY_TEXT.get(prompt[0]["content"], NEUTRAL), prompt[1]["content"]
        rng = random.Random(f"{sampling.seed}/{persona.id}/{question}/{sample}")
        errs = rng.random() < wrong.get(persona.id, 0.0)
        voiced = NEUTRAL if persona.id in mute else persona
        if not question.startswith("What is"):
            text = world.reply(question, voiced, rng)
        else:
            value = world.solve(question) + errs
            text = re.sub(r"(?<=boxed\{)[^}]*", str(value), world.answer(question, voiced, rng))
        return Completion(text, tokens=len(text.split()), finished=True)

    return generate


def protocol(settings: EvaluationSettings = SETTINGS, personas: Sequence[Persona] | None = None) -> Protocol:
    """The organism's own problems and eval personas."""
    return make_protocol(world.problems(), world.personas() if personas is None else personas, settings, seed=0)


def scorecard(
    wrong: Mapping[str, float], mute: frozenset[str] = frozenset(), settings: EvaluationSettings = SETTINGS
) -> Scorecard:
    """The scorecard of a scripted model."""
    asked = protocol(settings)
    return make_scorecard(ask(scripted(wrong, mute), asked), asked, settings, model="scripted")
