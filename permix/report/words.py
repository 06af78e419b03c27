"""Personas and their kinds in a few words."""

from __future__ import annotations


def persona_name(persona_id: str, text: str, longest: int = 34) -> str:
    """A persona in a few words: its prompt without "You are a", cut; its id where the prompt is empty."""
    short = text.removeprefix("You are ").removeprefix("a ").removeprefix("an ").strip().rstrip(".") or persona_id
    return short if len(short) <= longest else short[: longest - 1].rstrip() + "…"


def kind_name(kind: str) -> str:
    """A kind as a heading: `off_domain` is `off domain`."""
    return kind.replace("_", " ")
