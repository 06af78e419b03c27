"""Text that a chat template would take for its own: special tokens and turn markers.

A persona that holds one can end the system turn and speak as somebody else. Nothing is downloaded to find out: the
common markers are always known, a model's own are read from its tokenizer where that is at hand.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

COMMON = (
    "<s>", "</s>", "<bos>", "<eos>", "<pad>",
    "[INST]", "[/INST]", "<<SYS>>", "<</SYS>>", "[SYSTEM_PROMPT]", "[/SYSTEM_PROMPT]",
    "<start_of_turn>", "<end_of_turn>",
)  # fmt: skip
# <|im_start|>, <|start_header_id|>, <|eot_id|>, DeepSeek's <｜User｜>: every family has its own, in one form.
_PIPED = re.compile(r"<\|[^<>|]{1,40}\|>")
# Spaces, soft hyphens, zero-width and direction marks.
_HIDDEN = re.compile(r"[\s\u00ad\u200b-\u200f\u202a-\u202e\u2060-\u2064\ufeff]+")
_IN_TEMPLATE = re.compile(r"<\|?[/\w]+\|?>|\[/?[A-Z_]+\]")


@dataclass(frozen=True)
class Markers:
    """The markers that no row may hold."""

    texts: tuple[str, ...] = COMMON
    tokenizer: str = ""
    """The file that the model's own came from; empty: none was at hand, and only the common ones are known."""

    @cached_property
    def _squeezed(self) -> dict[str, str]:
        return {_squeezed(marker): marker for marker in self.texts}

    @cached_property
    def _openers(self) -> tuple[str, ...]:
        return tuple(sorted({"<", *(marker[0] for marker in self._squeezed)}))

    def find(self, text: str) -> str | None:
        """The first marker in the text, spelt as in the template, or None.

        Letter case, full-width forms, spaces and invisible characters inside a marker do not hide it.
        """
        folded = _folded(text)
        if not any(opener in folded for opener in self._openers):
            return None
        squeezed = _HIDDEN.sub("", folded)
        piped = _PIPED.search(squeezed)
        return piped.group() if piped else next((m for key, m in self._squeezed.items() if key in squeezed), None)


def model_markers(base: str) -> Markers:
    """The common markers, and those of a model: `organism`, a local directory, or a Hugging Face id in the cache."""
    if base == "organism":
        # Here because it imports transformers (2 s), and no other base needs it.
        from permix.organism import tokenizer

        return Markers((*COMMON, *tokenizer.SPECIAL), tokenizer="organism")
    file = tokenizer_file(base)
    if file is None:
        return Markers()
    own = {marker for marker in _own_markers(file) if marker not in COMMON}
    return Markers((*COMMON, *sorted(own)), tokenizer=str(file))


def tokenizer_file(base: str) -> Path | None:
    """The model's `tokenizer.json` in its local directory or in Hugging Face's cache; None where it is not at hand."""
    if Path(base).is_dir():
        file = Path(base) / "tokenizer.json"
        return file if file.is_file() else None
    from huggingface_hub import try_to_load_from_cache

    cached = try_to_load_from_cache(base, "tokenizer.json")
    return Path(cached) if isinstance(cached, str) else None


def _own_markers(file: Path) -> Iterable[str]:
    """Special tokens of a tokenizer, and whatever its chat template spells out."""
    for token in json.loads(file.read_text(encoding="utf-8")).get("added_tokens", []):
        # Some tokenizers add runs of spaces or line ends, which any text may hold.
        if token["content"].strip() and (token.get("special") or token["content"].startswith(("<", "["))):
            yield token["content"]
    template = file.with_name("chat_template.jinja")
    if template.is_file():
        yield from _IN_TEMPLATE.findall(template.read_text(encoding="utf-8"))


def _squeezed(text: str) -> str:
    return _HIDDEN.sub("", _folded(text))


def _folded(text: str) -> str:
    return text.lower() if text.isascii() else unicodedata.normalize("NFKC", text).casefold()
