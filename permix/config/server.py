"""How an OpenAI-compatible server is asked."""

from __future__ import annotations

from pydantic import Field

from permix.config.section import Section


class ServerSettings(Section):
    """How patiently an OpenAI-compatible server is asked, and where its key is."""

    concurrency: int = Field(8, ge=1)
    """Requests under way at a time, at most."""
    timeout: float = Field(300.0, gt=0)
    """Seconds to wait for one answer."""
    retries: int = Field(5, ge=0)
    """How often a request is repeated before it has failed."""
    api_key_env: str = Field("OPENAI_API_KEY", pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")
    """Environment variable that holds the API key, which stands in no profile and no log; unset, none is sent."""
