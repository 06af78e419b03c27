"""How long a text is to the model: in its own tokens, where its tokenizer is at hand."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache, partial
from typing import TYPE_CHECKING

from permix.curation.markers import tokenizer_file

if TYPE_CHECKING:
    from tokenizers import Tokenizer

CountTokens = Callable[[Sequence[str]], list[int]]
"""Texts in, the number of tokens of each out; special tokens and the chat template's are not counted."""


def token_counter(base: str) -> CountTokens | None:
    """Of a model: `organism`, a local directory, or a Hugging Face id in the cache; None without its tokenizer.

    Nothing is downloaded to find out. What is given knows the tokenizer by its file, so that it travels light.
    """
    if base == "organism":
        return partial(_count, base)
    file = tokenizer_file(base)
    return None if file is None else partial(_count, str(file))


def _count(file: str, texts: Sequence[str]) -> list[int]:
    return [len(found.ids) for found in _tokenizer(file).encode_batch(list(texts), add_special_tokens=False)]


@lru_cache(maxsize=1)
def _tokenizer(file: str) -> Tokenizer:
    """The tokenizer of a `tokenizer.json`, or `organism`."""
    from tokenizers import Tokenizer

    if file == "organism":
        # Here because it imports transformers (2 s), and no other base needs it.
        from permix.organism.tokenizer import build_tokenizer

        tokenizer: Tokenizer = build_tokenizer().backend_tokenizer
    else:
        tokenizer = Tokenizer.from_file(file)
    # A tokenizer may come with a length to cut or to fill up to, which is not the text's.
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return tokenizer
