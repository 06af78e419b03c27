"""Prompts in, completions out.

`local` runs transformers models, `vllm` the same in vLLM's engine, `server` asks any OpenAI-compatible server, `cache`
keeps what any of them wrote.
"""

from permix.generation.completion import Chat, Completion, Generate, Sampling

__all__ = ["Chat", "Completion", "Generate", "Sampling"]
