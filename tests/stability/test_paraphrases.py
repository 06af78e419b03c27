from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import pytest
from loopback import said, serving
from scripted import SETTINGS, protocol, scripted
from starlette.responses import Response

from permix.config import EvaluationSettings
from permix.evaluation.evaluate import ask, make_scorecard
from permix.generation import Chat, Completion, Sampling
from permix.generation.server import Server, complete
from permix.organism import world
from permix.personas.schema import NEUTRAL
from permix.stability.paraphrases import paraphrases

ASKING = SETTINGS.model_copy(update={"paraphrases": 5})


def test_thirty_wordings_that_differ_from_each_other_and_from_the_neutral_prompt() -> None:
    found = paraphrases(30)
    assert len({wording.text for wording in found} | {NEUTRAL.text}) == 31
    assert len({wording.id for wording in found}) == 30
    assert all(any(word in wording.text.lower() for word in ("help", "assist", "useful")) for wording in found)
    assert paraphrases(3) == found[:3]
    with pytest.raises(ValueError, match="asks for 31 wordings and there are 30"):
        paraphrases(31)


def test_a_model_that_one_wording_breaks() -> None:
    broken = paraphrases(5)[2].text
    sane = scripted({})

    def generate(prompts: Sequence[Chat], sampling: Sampling) -> list[list[Completion]]:
        return [
            [Completion("no idea", 2, True)] * sampling.samples if prompt[0]["content"] == broken else completions
            for prompt, completions in zip(prompts, sane(prompts, sampling), strict=True)
        ]

    asked = protocol(ASKING)
    answers = ask(generate, asked)
    assert len(answers) == asked.completions
    card = make_scorecard(answers, asked, ASKING, "scripted")
    assert card.paraphrases is not None
    assert (card.paraphrases.wordings, card.paraphrases.pss.value, card.paraphrases.best.value) == (5, 0, 1)
    assert card.paraphrases.worst_wording == broken
    assert card.stability.pss.value == 1, "the personas' figures stand apart"
    assert card.metrics()["paraphrase_pss"] == 0


def test_not_asked_is_not_measured() -> None:
    card = make_scorecard(ask(scripted({}), protocol()), protocol(), SETTINGS, "scripted")
    assert card.paraphrases is None
    assert "paraphrase_pss" not in card.metrics()


def test_the_profile_has_room_for_thirty() -> None:
    assert EvaluationSettings(paraphrases=30).paraphrases == 30
    with pytest.raises(ValueError, match="less than or equal to 30"):
        EvaluationSettings(paraphrases=31)


def test_a_served_model_reads_the_wordings_as_they_are() -> None:
    # The organism's tokenizer does not know the words; a server's model does.
    seen: set[str] = set()

    async def answer(body: dict[str, Any]) -> Response:
        system, question = (message["content"] for message in body["messages"])
        seen.add(system)
        solved = str(world.solve(question)) if question.startswith("What is") else "I rest"
        return said("I will not say" if system.startswith("You are a useful") else f"it is \\boxed{{{solved}}}")

    small = EvaluationSettings(problems=3, samples=1, roleplay_questions=1, resamples=50, paraphrases=30)
    asked = protocol(small, personas=[persona for persona in world.personas() if persona.split == "eval"][:1])
    with serving(answer) as url:
        answers = ask(partial(complete, Server(url, "scripted")), asked)
    assert {wording.text for wording in paraphrases(30)} <= seen
    card = make_scorecard(answers, asked, small, "served")
    assert card.paraphrases is not None
    assert (card.paraphrases.pss.value, card.paraphrases.mean.value) == (0, pytest.approx(29 / 30))
    assert card.paraphrases.worst_wording == "You are a useful assistant."
