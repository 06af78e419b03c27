"""What a persona is."""

from __future__ import annotations

import typing
from dataclasses import dataclass, field
from typing import Literal

PersonaKind = Literal["neutral", "expert", "everyday", "off_domain", "roleplay", "adverse"]
KINDS: tuple[PersonaKind, ...] = typing.get_args(PersonaKind)


@dataclass(frozen=True)
class Persona:
    """A system prompt that gives the model an identity."""

    id: str
    """Unique in a curated set."""
    text: str
    """The system prompt, whole."""
    kind: PersonaKind
    split: Literal["train", "eval"]
    """No eval persona, nor a near-copy of one, is ever trained on."""
    source: str
    attributes: dict[str, str] = field(default_factory=dict)
    """What its source knows of it; the organism's personas carry `role` and `manner`."""


NEUTRAL = Persona(id="neutral", text="You are a helpful assistant.", kind="neutral", split="eval", source="permix")
"""No persona: the plain helpful-assistant prompt."""
