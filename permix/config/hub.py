"""A data set on Hugging Face's hub."""

from __future__ import annotations

from pydantic import Field

from permix.config.section import Section


class HubDataset(Section):
    """A split of a Hugging Face dataset, by its id; out of the local cache where the hub cannot be reached."""

    dataset: str = Field(pattern=r"^[\w.-]+(/[\w.-]+)?$")
    """Id of the dataset, as in `AI-MO/NuminaMath-CoT`."""
    subset: str | None = None
    """Its configuration, where it has several (`main` of `openai/gsm8k`)."""
    hub_split: str = "train"
    """Which of its splits is read."""
    revision: str | None = None
    """Branch, tag or commit; a commit makes sure that another run reads the same rows."""
