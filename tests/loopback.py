"""A real OpenAI-compatible server on loopback, whose answers a test writes."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

Handler = Callable[[dict[str, Any]], Awaitable[Response]]


@contextmanager
def serving(handler: Handler, models: Sequence[dict[str, Any]] | None = None) -> Iterator[str]:
    """The base URL of a server that answers chat completions by `handler(body)`, and tells of `models`, where given."""

    async def chat(request: Request) -> Response:
        return await handler(await request.json())

    async def listed(request: Request) -> Response:
        return JSONResponse({"object": "list", "data": models})

    app = Starlette(routes=[Route("/v1/chat/completions", chat, methods=["POST"])])
    if models is not None:
        app.router.routes.append(Route("/v1/models", listed))
    listening = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(app, log_level="error", lifespan="off", timeout_graceful_shutdown=0)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.005)
    try:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}/v1"
    finally:
        server.should_exit = True
        thread.join()
        listening.close()


def said(text: str | None, finish_reason: str = "stop") -> Response:
    """A completion as OpenAI's protocol has it; as many tokens as words."""
    return JSONResponse(
        {
            "id": "chatcmpl-1",
            "object": "chat.completion",
            "created": 1,
            "model": "scripted",
            "choices": [
                {
                    "index": 0,
                    "finish_reason": finish_reason,
                    "logprobs": None,
                    "message": {"role": "assistant", "content": text},
                }
            ],
            "usage": {"prompt_tokens": 1, "completion_tokens": len((text or "").split()), "total_tokens": 1},
        }
    )


def failed(status: int, message: str, after_ms: int = 1) -> Response:
    """An error as OpenAI's protocol has it, which asks the client to wait a little before it tries again."""
    return JSONResponse({"error": {"message": message}}, status_code=status, headers={"retry-after-ms": str(after_ms)})
