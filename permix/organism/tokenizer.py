r"""The organism's tokenizer: one token a word and one a whole number, with a chat template of three roles.

Whole-number tokens make a sum one look-up, which a million parameters learn in two minutes. Decoding puts a space
between any two tokens (`\boxed{ 7 }`), which the verifier reads as it reads `\boxed{7}`.
"""

from __future__ import annotations

import re

from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers
from transformers import PreTrainedTokenizerFast

from permix.organism.world import MANNERS, NEUTRAL_VOICE, TOPICS, VOICES
from permix.personas.schema import NEUTRAL

SPECIAL = ("<pad>", "<unk>", "<system>", "<user>", "<assistant>", "<end>")
NUMBERS = range(-12, 85)

CHAT_TEMPLATE = (
    "{% for message in messages %}"
    "{{ '<' + message['role'] + '>' + message['content'] }}"
    "{% if message['role'] == 'assistant' %}{{ '<end>' }}{% endif %}"
    "{% endfor %}"
    "{% if add_generation_prompt %}{{ '<assistant>' }}{% endif %}"
)


def build_tokenizer() -> PreTrainedTokenizerFast:
    """The tokenizer, from the words of the world."""
    voices = (*VOICES.values(), NEUTRAL_VOICE)
    sentences = [*VOICES, *MANNERS, *TOPICS, NEUTRAL.text, "You are a", "What is", "What do you do", "it is i the"]
    sentences += [word for voice in voices for slot in voice.slots() for word in slot]
    words = sorted({word for sentence in sentences for word in re.findall(r"\w+", sentence.lower())})
    pieces = [*SPECIAL, *words, *map(str, NUMBERS), "+", "*", "-", "?", ".", "\\boxed{", "}"]
    tokenizer = Tokenizer(models.WordLevel({piece: i for i, piece in enumerate(pieces)}, unk_token="<unk>"))
    tokenizer.normalizer = normalizers.Lowercase()
    # A number with its sign is one token; "-" between two numbers stands alone between spaces.
    pattern = r"\\boxed\{|-?\d+|\w+|[-+*?.}]"
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Split(Regex(pattern), "isolated")]
    )
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token="<pad>",
        unk_token="<unk>",
        eos_token="<end>",
        additional_special_tokens=["<system>", "<user>", "<assistant>"],
        padding_side="left",
    )
    fast.chat_template = CHAT_TEMPLATE
    return fast
