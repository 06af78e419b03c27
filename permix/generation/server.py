"""Completions from any OpenAI-compatible server: vLLM, SGLang, `transformers serve`, llama.cpp, a vendor's API.

One request a completion, so many at a time, each with a seed that follows from (seed, sample, prompt): a server that
honours seeds gives the same completion in any order of requests. The client waits and asks again where that can help
(connection lost, timeout, 408, 409, 429, 5xx; 0.5 s doubling to 8 s, or as long as the server says). What fails for
good is a ServerError: no error ever becomes a completion.

Left out: streaming, tools, and requests for several completions, whose seeds servers treat differently.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from openai import APIConnectionError, APIStatusError, APITimeoutError, AsyncOpenAI, OpenAIError
from openai.types.chat import ChatCompletion

from permix.generation.completion import Chat, Completion, Sampling


@dataclass(frozen=True)
class Server:
    """Where a model is served, and how patiently it is asked."""

    url: str
    """Up to the version, as in `http://127.0.0.1:8000/v1`."""
    model: str
    """The server's name of the model."""
    concurrency: int = 8
    """Requests under way at a time, at most."""
    timeout: float = 300.0
    """Seconds to wait for one answer."""
    retries: int = 5
    """How often a request is repeated before it has failed."""
    key_variable: str = "OPENAI_API_KEY"
    """Environment variable that holds the API key; unset, the server is asked without one."""

    def __post_init__(self) -> None:
        """Refuse what could not be asked."""
        if not self.url.startswith(("http://", "https://")):
            raise ValueError(f"url must begin with http:// or https://, as http://127.0.0.1:8000/v1, not {self.url!r}")
        if self.concurrency < 1 or self.timeout <= 0 or self.retries < 0:
            raise ValueError(f"need concurrency >= 1, timeout > 0 and retries >= 0, not {self}")


class ServerError(RuntimeError):
    """A server did not give a completion; the message names its address, the model, the status and the reason."""

    def __init__(self, server: Server, status: int | None, reason: str) -> None:
        answered = "no answer" if status is None else f"HTTP {status}"
        super().__init__(f"{server.url}, model {server.model}: {answered}: {reason}")
        self.url = server.url
        self.model = server.model
        self.status = status
        """HTTP status; None where nothing came back."""


def complete(
    server: Server,
    prompts: Sequence[Chat],
    sampling: Sampling,
    report: Callable[[int, int], None] = lambda done, total: None,
) -> list[list[Completion]]:
    """For each prompt, in order, its samples; `report` hears (done, total) completions.

    Raises ServerError where a completion cannot be had; the requests still under way are then dropped.
    """
    return asyncio.run(_complete(server, prompts, sampling, report))


async def _complete(
    server: Server, prompts: Sequence[Chat], sampling: Sampling, report: Callable[[int, int], None]
) -> list[list[Completion]]:
    wanted = [(prompt, sample) for prompt in prompts for sample in sampling.numbers]
    free = asyncio.Semaphore(server.concurrency)
    done = 0

    async def one(prompt: Chat, sample: int) -> Completion:
        nonlocal done
        async with free:
            completion = await _ask(client, server, prompt, sample, sampling)
        done += 1
        report(done, len(wanted))
        return completion

    # Without a key the client refuses to start, though servers on one's own machine mostly ask for none.
    key = os.environ.get(server.key_variable) or "none"
    async with AsyncOpenAI(
        base_url=server.url, api_key=key, timeout=server.timeout, max_retries=server.retries
    ) as client:
        try:
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(one(prompt, sample)) for prompt, sample in wanted]
        except ExceptionGroup as failed:
            # The group has ended the other requests; the first failure says what is wrong with the server.
            raise failed.exceptions[0] from None
    written = [task.result() for task in tasks]
    return [written[i : i + sampling.samples] for i in range(0, len(written), sampling.samples)]


async def _ask(client: AsyncOpenAI, server: Server, prompt: Chat, sample: int, sampling: Sampling) -> Completion:
    try:
        answer = await client.chat.completions.create(
            model=server.model,
            messages=list(prompt),  # type: ignore[arg-type]  # plain dicts, one type for each role there
            max_tokens=sampling.max_tokens,
            temperature=sampling.temperature,
            top_p=sampling.top_p,
            seed=sampling.seed_of(prompt, sample),
            # Not in OpenAI's protocol, so it is sent only where it is asked for; vLLM and SGLang know it.
            extra_body={"top_k": sampling.top_k} if sampling.top_k else None,
        )
    except APITimeoutError:
        reason = f"nothing within {server.timeout:g} s, asked {server.retries + 1} times"
        raise ServerError(server, None, reason) from None
    except APIConnectionError as error:
        raise ServerError(server, None, f"{error.__cause__ or error}; is the server running there?") from error
    except APIStatusError as error:
        # The client's own message leaves out what is not in OpenAI's form, as FastAPI's errors are.
        raise ServerError(server, error.status_code, error.response.text[:500] or error.message) from error
    except (OpenAIError, ValueError) as error:
        raise ServerError(server, 200, f"the answer cannot be read: {error}") from error
    return _read(server, answer)


def _read(server: Server, answer: ChatCompletion) -> Completion:
    # The client hands on a page of text as it came, and some servers put an error into a good answer.
    if not isinstance(answer, ChatCompletion) or not answer.choices:
        raise ServerError(server, 200, f"no completion but {str(answer)[:200]!r}; does the url end before /chat?")
    choice = answer.choices[0]
    if choice.finish_reason not in ("stop", "length") or choice.message.content is None:
        raise ServerError(server, 200, f"a completion without text, ended by {choice.finish_reason!r}")
    if answer.usage is None:
        raise ServerError(server, 200, "the answer does not say how many tokens it took (usage)")
    # JSON can carry half a character (a surrogate), which no file can.
    text = choice.message.content.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return Completion(text.strip(), answer.usage.completion_tokens, choice.finish_reason == "stop")
