"""The organism behind a server that we did not write, as a model that is judged and as a judge that cannot judge."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import pytest
from loopback import said, serving
from served import transformers_serve
from starlette.responses import Response

from permix.config import OrganismSettings
from permix.fidelity.judging.judge import judge, play
from permix.fidelity.judging.questions import OWN_SET, read_benchmark
from permix.fidelity.judging.scores import persona_score
from permix.generation import Sampling
from permix.generation.cache import COMPLETIONS, cached
from permix.generation.server import Server, complete
from permix.organism.base import train_base

pytestmark = pytest.mark.slow


def test_a_served_organism_plays_and_judges(tmp_path: Path) -> None:
    model = tmp_path / "organism"
    train_base(OrganismSettings(hidden_size=32, layers=1, heads=2, steps=60, batch_size=16), 0, model)
    benchmark = read_benchmark(OWN_SET).of(personas=2, questions_per_task=1)
    asked = 0

    async def four(body: dict[str, Any]) -> Response:
        nonlocal asked
        asked += 1
        return said("Therefore, the final score is 4.")

    with transformers_serve(model, tmp_path / "log") as url, serving(four) as scripted:
        organism = partial(complete, Server(url, str(model), concurrency=2))
        kept = cached(organism, tmp_path / COMPLETIONS, "organism", "")
        replies = play(kept, benchmark, Sampling(12, temperature=0.9, top_p=0.9))
        judges = {"organism": kept, "scripted": partial(complete, Server(scripted, "m"))}
        judgements = judge(judges, benchmark, replies, sampling=Sampling(12, temperature=0), retries=1)
    assert len(replies) == 10
    assert all(reply.text for reply in replies)
    assert asked == 10
    # It has nothing to say about scores: each is asked for again, counted, and never scored.
    figures = persona_score(judgements)
    assert (figures.judges["organism"].unparsed, figures.judges["organism"].asked_again) == (10, 10)
    assert (figures.persona_score, figures.unscored) == (None, 10)
    alone = persona_score([judgement for judgement in judgements if judgement.judge == "scripted"])
    assert alone.persona_score is not None
    assert alone.persona_score.value == 4
    # Its server is gone; what it said is not.
    assert play(kept, benchmark, Sampling(12, temperature=0.9, top_p=0.9)) == replies
