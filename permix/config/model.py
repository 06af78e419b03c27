"""The model that is trained, and how the embedded one is made."""

from __future__ import annotations

from pydantic import Field

from permix.config.section import Section


class ModelSettings(Section):
    """Which model is trained."""

    base: str = "organism"
    """`organism` (made by the first stage), a local directory, or a Hugging Face id."""


class OrganismSettings(Section):
    """The embedded base model: a small Llama trained from scratch on the organism's world."""

    hidden_size: int = Field(128, ge=16, le=1024)
    """Width of the model; 128 with 4 layers is about a million parameters."""
    layers: int = Field(4, ge=1, le=32)
    """Transformer layers."""
    heads: int = Field(4, ge=1, le=32)
    """Attention heads; must divide hidden_size."""
    steps: int = Field(900, ge=1)
    """Optimizer steps of supervised training on the world's text."""
    batch_size: int = Field(64, ge=1)
    """Texts per step."""
    learning_rate: float = Field(0.02, gt=0)
    """Peak learning rate of Muon (linear warm-up, cosine decay)."""
