"""Prompts in, completions out.

`local` runs transformers models (it alone imports torch), `server` asks any OpenAI-compatible server,
`cache` keeps what either wrote.
"""

from permix.generation.completion import Chat, Completion, Generate, Sampling

__all__ = ["Chat", "Completion", "Generate", "Sampling"]
