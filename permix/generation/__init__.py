"""Prompts in, completions out. `permix.generation.local` runs transformers models; it alone imports torch."""

from permix.generation.completion import Chat, Completion, Generate, Sampling

__all__ = ["Chat", "Completion", "Generate", "Sampling"]
