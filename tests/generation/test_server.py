from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest
from loopback import failed, said, serving
from starlette.responses import JSONResponse, PlainTextResponse, Response

from permix.generation import Chat, Completion, Sampling
from permix.generation.server import Server, ServerError, complete


def prompt(question: str) -> Chat:
    return [{"role": "system", "content": "You are a pirate."}, {"role": "user", "content": question}]


def test_completions_come_in_order_of_prompts_and_samples() -> None:
    bodies = []

    async def answer(body: dict[str, Any]) -> Response:
        bodies.append(body)
        number = int(body["messages"][1]["content"])
        await asyncio.sleep(0.02 * (3 - number))
        return said(f" {number} {body['seed']} ", "length" if number == 2 else "stop")

    heard = []
    with serving(answer) as url:
        sampling = Sampling(7, temperature=0.5, top_p=0.9, samples=2, seed=3)
        written = complete(Server(url, "m"), [prompt(str(n)) for n in range(3)], sampling, lambda *a: heard.append(a))
    assert [[c.text.split()[0] for c in samples] for samples in written] == [["0"] * 2, ["1"] * 2, ["2"] * 2]
    assert written[0][0] == Completion(written[0][0].text.strip(), 2, finished=True)
    assert not written[2][0].finished
    assert heard == [(n, 6) for n in range(1, 7)]
    assert len({body["seed"] for body in bodies}) == 6, "each completion has a seed of its own"
    asked = {key: bodies[0][key] for key in ("model", "max_tokens", "temperature", "top_p")}
    assert asked == {"model": "m", "max_tokens": 7, "temperature": 0.5, "top_p": 0.9}
    assert "top_k" not in bodies[0], "OpenAI's own API refuses keys that it does not know"
    assert bodies[0]["messages"][0] == {"role": "system", "content": "You are a pirate."}


def test_a_seed_follows_from_seed_sample_and_prompt() -> None:
    async def answer(body: dict[str, Any]) -> Response:
        return said(str(body["seed"]))

    def seeds(sampling: Sampling, *questions: str) -> list[str]:
        written = complete(server, [prompt(question) for question in questions], sampling)
        return [completion.text for samples in written for completion in samples]

    with serving(answer) as url:
        server = Server(url, "m", concurrency=3)
        four = seeds(Sampling(1, samples=4), "a")
        assert seeds(Sampling(1, samples=4), "b", "a")[4:] == four
        assert seeds(Sampling(1, samples=2, first=2), "a") == four[2:]
        assert len({*four, *seeds(Sampling(1, samples=4), "b"), *seeds(Sampling(1, samples=4, seed=1), "a")}) == 12


def test_no_more_requests_than_allowed_are_under_way() -> None:
    now = most = 0

    async def answer(body: dict[str, Any]) -> Response:
        nonlocal now, most
        now += 1
        most = max(most, now)
        await asyncio.sleep(0.01)
        now -= 1
        return said("aye")

    with serving(answer) as url:
        complete(Server(url, "m", concurrency=3), [prompt(str(n)) for n in range(20)], Sampling(1))
    assert most == 3


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_passing_failure_is_asked_again(status: int) -> None:
    asked = 0

    async def answer(body: dict[str, Any]) -> Response:
        nonlocal asked
        asked += 1
        return failed(status, "busy") if asked < 3 else said("aye")

    with serving(answer) as url:
        assert complete(Server(url, "m"), [prompt("a")], Sampling(1)) == [[Completion("aye", 1, True)]]
    assert asked == 3


@pytest.mark.parametrize(("status", "times"), [(500, 3), (400, 1), (401, 1), (404, 1)])
def test_a_lasting_failure_is_an_error_that_names_server_model_and_status(status: int, times: int) -> None:
    asked = 0

    async def answer(body: dict[str, Any]) -> Response:
        nonlocal asked
        asked += 1
        return failed(status, "the cook is drunk")

    with serving(answer) as url, pytest.raises(ServerError, match="the cook is drunk") as caught:
        complete(Server(url, "galleon-7b", retries=2), [prompt("a")], Sampling(1))
    assert asked == times
    assert (caught.value.url, caught.value.model, caught.value.status) == (url, "galleon-7b", status)
    assert url in str(caught.value)
    assert "galleon-7b" in str(caught.value)
    assert str(status) in str(caught.value)


def test_one_failure_ends_the_whole() -> None:
    asked = 0

    async def answer(body: dict[str, Any]) -> Response:
        nonlocal asked
        asked += 1
        if body["messages"][1]["content"] == "3":
            return failed(400, "no")
        await asyncio.sleep(0.1)
        return said("aye")

    with serving(answer) as url, pytest.raises(ServerError, match="HTTP 400"):
        complete(Server(url, "m", concurrency=4), [prompt(str(n)) for n in range(100)], Sampling(1))
    assert asked < 10


def test_a_hanging_server_is_given_up() -> None:
    async def answer(body: dict[str, Any]) -> Response:
        await asyncio.sleep(3)
        return said("too late")

    started = time.monotonic()
    with serving(answer) as url:
        with pytest.raises(ServerError, match=r"no answer: nothing within 0\.2 s, asked 1 times") as caught:
            complete(Server(url, "m", timeout=0.2, retries=0), [prompt("a")], Sampling(1))
        assert time.monotonic() - started < 2
    assert caught.value.status is None


def test_a_server_that_is_not_there() -> None:
    with pytest.raises(ServerError, match="is the server running there"):
        complete(Server("http://127.0.0.1:9/v1", "m", retries=0), [prompt("a")], Sampling(1))


@pytest.mark.parametrize(
    ("response", "message"),
    [
        (JSONResponse({"error": {"message": "out of credit"}}), "out of credit"),
        (PlainTextResponse("<html>Sign in</html>"), "Sign in"),
        (Response('{"choices": [', media_type="application/json"), "cannot be read"),
        (JSONResponse({"choices": []}), "no completion"),
        (said(None), "without text"),
        (said("", "content_filter"), "content_filter"),
        (said(None, "tool_calls"), "tool_calls"),
    ],
)
def test_an_error_in_a_good_answer_is_no_completion(response: Response, message: str) -> None:
    async def answer(body: dict[str, Any]) -> Response:
        return response

    with serving(answer) as url, pytest.raises(ServerError, match=message) as caught:
        complete(Server(url, "m", retries=0), [prompt("a")], Sampling(1))
    assert caught.value.status == 200


def test_an_empty_completion_is_one() -> None:
    async def answer(body: dict[str, Any]) -> Response:
        return said("")

    with serving(answer) as url:
        assert complete(Server(url, "m"), [prompt("a")], Sampling(1)) == [[Completion("", 0, True)]]


def test_half_a_character_does_not_reach_a_file() -> None:
    async def answer(body: dict[str, Any]) -> Response:
        whole = bytes(said("aye HALF 🏴").body).replace(b"HALF", b"\\ud83d")
        return Response(whole, media_type="application/json")

    with serving(answer) as url:
        ((completion,),) = complete(Server(url, "m"), [prompt("a")], Sampling(1))
    assert completion.text == "aye \N{REPLACEMENT CHARACTER} 🏴"


@pytest.mark.parametrize(
    "wrong", [{"url": "localhost:8000"}, {"concurrency": 0}, {"timeout": 0}, {"retries": -1}], ids=str
)
def test_a_server_that_could_not_be_asked_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        Server(**{"url": "http://127.0.0.1/v1", "model": "m", **wrong})
