"""Attribution by the organism, whose words tell how much of a persona there is to find."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from scipy.stats import spearmanr

from permix.config import OrganismSettings
from permix.fidelity.attribution import Attribution, Reply, measure_attribution
from permix.fidelity.reader import read_replies
from permix.fidelity.voice import score_roleplay
from permix.generation.completion import Sampling
from permix.generation.local import LanguageModel, complete, load
from permix.organism.base import train_base
from permix.organism.world import personas, roleplay_questions
from permix.personas.schema import NEUTRAL, Persona

pytestmark = pytest.mark.slow
QUESTIONS = roleplay_questions()[:6]
CALM = [persona for persona in personas() if persona.attributes["manner"] == "calm"]
"""A persona of each role: two manners of one role say the same in role-play, and no reply could tell them apart."""
TEMPERATURES = (0.3, 0.7, 1.0, 1.3, 1.6, 1.9, 2.3, 2.8)


@pytest.fixture(scope="module")
def organism(tmp_path_factory: pytest.TempPathFactory) -> LanguageModel:
    directory = tmp_path_factory.mktemp("organism") / "base"
    settings = OrganismSettings(hidden_size=64, layers=2, heads=4, steps=300, batch_size=64, learning_rate=1e-2)
    train_base(settings, seed=0, directory=directory)
    return load(Path(directory), "cpu")


def said(model: LanguageModel, asked: list[tuple[Persona, str]], temperature: float = 0.7) -> list[str]:
    chats = [
        [{"role": "system", "content": persona.text}, {"role": "user", "content": question}]
        for persona, question in asked
    ]
    return [found[0].text for found in complete(model, chats, Sampling(16, temperature=temperature))]


def measured(model: LanguageModel, asked: list[tuple[Persona, str]], texts: list[str]) -> Attribution:
    replies = [Reply(persona.id, question, text) for (persona, question), text in zip(asked, texts, strict=True)]
    return measure_attribution(read_replies(model, replies, CALM), 200, 0.95, 0)


ASKED = [(persona, question) for persona in CALM for question in QUESTIONS]


def test_the_base_is_recognised_and_the_controls_are_not(organism: LanguageModel) -> None:
    texts = said(organism, ASKED)
    base = measured(organism, ASKED, texts)
    rng = random.Random(0)
    # Dealt out anew within each question: who said what is lost, and nothing else.
    dealt = dict.fromkeys(range(len(ASKED)), "")
    for question in QUESTIONS:
        places = [n for n, (_, asked) in enumerate(ASKED) if asked == question]
        dealt.update(zip(places, rng.sample([texts[n] for n in places], len(places)), strict=True))
    wrong = measured(organism, ASKED, [dealt[n] for n in range(len(ASKED))])
    neutral = measured(organism, ASKED, said(organism, [(NEUTRAL, question) for _, question in ASKED]))
    assert base.attribution.low > 0.8
    assert base.expressivity.low > 0
    for control in (wrong, neutral):
        assert control.attribution.low <= control.chance <= control.attribution.high
        assert control.attribution.value < 0.3
    # Another persona's voice is unlike the neutral prompt's too: only replies without one are likelier under it.
    assert neutral.expressivity.high < 0
    assert wrong.expressivity.high < base.expressivity.low


def test_attribution_ranks_models_as_the_organisms_words_do(organism: LanguageModel) -> None:
    """Models that speak ever less in character: the same one, ever hotter."""
    attributed, words = [], []
    for temperature in TEMPERATURES:
        texts = said(organism, ASKED, temperature)
        attributed.append(measured(organism, ASKED, texts).attribution.value)
        scores = [score_roleplay(text, persona) for (persona, _), text in zip(ASKED, texts, strict=True)]
        words.append(sum(score or 0 for score in scores) / len(scores))
    assert max(words) - min(words) > 0.3
    assert spearmanr(attributed, words).statistic > 0.8
