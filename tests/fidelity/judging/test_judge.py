from __future__ import annotations

import re
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from loopback import failed, said, serving
from starlette.responses import Response

from permix.fidelity.judging.judge import judge, play, write_examples
from permix.fidelity.judging.questions import OWN_SET, TASKS, Benchmark, Question, read_benchmark
from permix.fidelity.judging.scores import persona_score
from permix.generation import Completion
from permix.generation.cache import COMPLETIONS, cached
from permix.generation.server import Server, ServerError, complete

RUBRIC = "Persona: {persona}\nQuestion: {question}\nResponse: {response}\nExamples: {score_example}"
PHRASINGS = (
    "Therefore, the final score is {}.",
    "Final score: **{}**",
    "It fits.\n\nScore: {}/5",
    "the final score is: {}",
)


def known(scores: dict[str, list[int]]) -> tuple[Benchmark, list[Completion]]:
    """Personas whose replies name the score that they deserve, one a task."""
    questions = [Question(name, task, "How are you?") for name in scores for task in TASKS]
    replies = [Completion(f"worth {score}", 2, True) for name in scores for score in scores[name]]
    return Benchmark(tuple(questions), dict.fromkeys(TASKS, RUBRIC)), replies


def worth(body: dict[str, Any]) -> int:
    found = re.search(r"worth (\d)", body["messages"][0]["content"])
    assert found is not None
    return int(found[1])


def test_a_judge_of_known_scores_gives_the_known_persona_score() -> None:
    """Over HTTP from the question to the figure: a model that answers, a fair judge and a strict one."""
    benchmark = read_benchmark(OWN_SET)
    deserved = dict(zip(TASKS, (5, 4, 3, 2, 4), strict=True))
    task_of = {question.text: question.task for question in benchmark.questions}

    async def answer(body: dict[str, Any]) -> Response:
        if body["model"] == "player":
            assert (body["temperature"], body["top_p"]) == (0.9, 0.9)
            return said(f"Arr, worth {deserved[task_of[body['messages'][1]['content']]]}")
        assert body["temperature"] == 0
        score = worth(body) - (body["model"] == "strict")
        return said(PHRASINGS[score % len(PHRASINGS)].format(score))

    with serving(answer) as url:
        player, fair, strict = (partial(complete, Server(url, name)) for name in ("player", "fair", "strict"))
        replies = play(player, benchmark)
        figures = persona_score(judge({"fair": fair, "strict": strict}, benchmark, replies))
    assert {task: estimate.value for task, estimate in figures.tasks.items()} == {
        task: score - 0.5 for task, score in deserved.items()
    }
    assert figures.persona_score.value == pytest.approx(18 / 5 - 0.5)
    assert (figures.questions, figures.unscored, figures.personas_left_out) == (60, 0, ())
    assert [figures.judges[name].mean for name in ("fair", "strict")] == [pytest.approx(3.6), pytest.approx(2.6)]
    assert figures.agreement is not None
    assert (figures.agreement.exact, figures.agreement.within_one) == (0, 1)


def test_a_reply_without_a_score_is_asked_for_it_then_counted_and_never_scored() -> None:
    benchmark, replies = known({"a cook": [5, 4, 3, 2, 1], "a smith": [5, 5, 5, 5, 5]})

    async def answer(body: dict[str, Any]) -> Response:
        score, persona = worth(body), body["messages"][0]["content"].split("\n")[0]
        if "smith" not in persona:
            return said(f"The final score is {score}.")
        if len(body["messages"]) < 3:
            return said("A fine reply.")
        assert body["messages"][1] == {"role": "assistant", "content": "A fine reply."}
        assert "final score" in body["messages"][2]["content"]
        return said("The final score is 5.") if body["model"] == "slow" else said("Fine, I say.")

    with serving(answer) as url:
        slow, mute = (partial(complete, Server(url, name)) for name in ("slow", "mute"))
        judgements = judge({"slow": slow, "mute": mute}, benchmark, replies, retries=2)
    assert {j.asked for j in judgements if j.judge == "mute" and j.question.persona == "a smith"} == {3}
    figures = persona_score(judgements)
    assert (figures.judges["slow"].asked_again, figures.judges["slow"].unparsed) == (5, 0)
    assert (figures.judges["mute"].asked_again, figures.judges["mute"].unparsed) == (5, 5)
    assert (figures.unscored, figures.personas_left_out) == (5, ("a smith",))
    assert figures.persona_score.value == 3
    unread = persona_score([j for j in judgements if j.question.persona == "a smith"])
    assert (unread.persona_score, unread.tasks, unread.personas) == (None, {}, {})
    assert (unread.judges["mute"].unparsed_rate, unread.judges["slow"].unparsed_rate) == (1, 0)


def test_a_judges_reply_that_was_cut_is_not_read() -> None:
    benchmark, replies = known({"a cook": [5, 5, 5, 5, 5]})

    async def answer(body: dict[str, Any]) -> Response:
        return said("1. Tone.\n2. Words.\n3", "length") if len(body["messages"]) == 1 else said("Score: 5")

    with serving(answer) as url:
        judgements = judge({"rambling": partial(complete, Server(url, "m"))}, benchmark, replies)
    assert [(j.score, j.asked) for j in judgements] == [(5, 2)] * 5


def test_an_error_of_a_judge_is_no_score_and_what_was_judged_is_kept(tmp_path: Path) -> None:
    benchmark, replies = known({"a cook": [5, 4, 3, 2, 1], "a smith": [3, 3, 3, 3, 3]})
    broken, asked = True, 0

    async def answer(body: dict[str, Any]) -> Response:
        nonlocal asked
        asked += 1
        if broken and worth(body) == 1:
            return failed(429, "Rate limit reached: limit 5 requests")
        return said(f"The final score is {worth(body)}.")

    with serving(answer) as url:
        server = Server(url, "m", concurrency=1, retries=1)
        careful = cached(partial(complete, server), tmp_path / COMPLETIONS, f"{url} m", "", together=1)
        with pytest.raises(ServerError, match="HTTP 429"):
            judge({"m": careful}, benchmark, replies)
        broken, before = False, asked
        figures = persona_score(judge({"m": careful}, benchmark, replies))
        again, total = asked - before, asked
        judge({"m": careful}, benchmark, replies)
    assert again < len(replies)
    assert asked == total
    assert figures.persona_score.value == 3
    assert figures.personas == {"a cook": 3, "a smith": 3}


def test_examples_reach_the_judge_whole() -> None:
    benchmark, replies = known({"a cook": [5, 5, 5, 5, 5]})
    five = "\n\n".join(f"Score {n}: an answer {{worth}} little, {n}" for n in range(1, 6))
    seen = []

    async def answer(body: dict[str, Any]) -> Response:
        if body["model"] == "writer":
            assert "a cook" in body["messages"][0]["content"]
            return said(five)
        seen.append(body["messages"][0]["content"])
        return said("Score: 5")

    with serving(answer) as url:
        examples = write_examples(partial(complete, Server(url, "writer")), benchmark)
        judge({"m": partial(complete, Server(url, "m"))}, benchmark, replies, examples)
    assert len(seen) == 5
    assert all(text.endswith("Examples: " + five) for text in seen)


def test_examples_that_are_not_five_are_refused() -> None:
    benchmark, _ = known({"a cook": [5, 5, 5, 5, 5]})

    async def answer(body: dict[str, Any]) -> Response:
        return said("Score 1: no\n\nScore 2: no")

    with serving(answer) as url, pytest.raises(ValueError, match="are not five"):
        write_examples(partial(complete, Server(url, "writer")), benchmark)


def test_no_judge_and_missing_replies_are_refused() -> None:
    benchmark, replies = known({"a cook": [5, 5, 5, 5, 5]})
    with pytest.raises(ValueError, match="no judge"):
        judge({}, benchmark, replies)
    with pytest.raises(ValueError, match="shorter"):
        judge({"m": lambda prompts, sampling: []}, benchmark, replies[1:])
