from __future__ import annotations

import sqlite3
from functools import partial
from pathlib import Path

import pytest
import torch
from scattered import scattered

from permix.generation import Chat, Sampling
from permix.generation.cache import cached
from permix.generation.local import complete, load
from permix.generation.shard import Place, complete_there, describe
from permix.organism import world

PROMPTS: list[Chat] = [
    [{"role": "system", "content": persona.text}, {"role": "user", "content": problem.question}]
    for persona in world.personas()[:6]
    for problem in world.problems()[:5]
]
SAMPLING = Sampling(max_tokens=12, samples=3, seed=5)
TOGETHER = 16


@pytest.fixture
def place(untrained: Path) -> Place:
    return Place(str(untrained), "digest", "transformers", TOGETHER, torch.get_num_threads())


def kept(file: Path) -> list[tuple[object, ...]]:
    with sqlite3.connect(file) as store:
        return store.execute("SELECT * FROM completions ORDER BY key").fetchall()


def test_shards_give_the_completions_of_one_process(untrained: Path, place: Place, tmp_path: Path) -> None:
    here = partial(complete, load(untrained), batch_size=TOGETHER)
    one = cached(here, tmp_path / "one", "m", "t", TOGETHER)
    whole = one(PROMPTS, SAMPLING)
    several = cached(partial(complete_there, place), tmp_path / "several", "m", "t", TOGETHER, each=scattered)
    assert several(PROMPTS, SAMPLING) == whole
    assert kept(tmp_path / "several") == kept(tmp_path / "one")


def test_a_model_elsewhere_is_described_as_it_is_here(untrained: Path, place: Place) -> None:
    loaded = load(untrained)
    described = describe(place)
    assert described.runs_as == (loaded.model.device.type, str(loaded.model.dtype))
    assert described.template == loaded.tokenizer.chat_template
    assert described.vocabulary == loaded.tokenizer.get_vocab()
