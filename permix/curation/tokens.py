"""How long a text is to the model: in its own tokens, where its tokenizer is at hand."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from permix.curation.markers import tokenizer_file

CountTokens = Callable[[Sequence[str]], list[int]]
"""Texts in, the number of tokens of each out; special tokens and the chat template's are not counted."""


def token_counter(base: str) -> CountTokens | None:
    """Of a model: `organism`, a local directory, or a Hugging Face id in the cache; None without its tokenizer.

    Nothing is downloaded to find out.
    """
    from tokenizers import Tokenizer

    if base == "organism":
        # Here because it imports transformers (2 s), and no other base needs it.
        from permix.organism.tokenizer import build_tokenizer

        tokenizer = build_tokenizer().backend_tokenizer
    elif (file := tokenizer_file(base)) is not None:
        tokenizer = Tokenizer.from_file(str(file))
    else:
        return None
    # A tokenizer may come with a length to cut or to fill up to, which is not the text's.
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return lambda texts: [len(found.ids) for found in tokenizer.encode_batch(list(texts), add_special_tokens=False)]
