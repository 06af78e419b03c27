from __future__ import annotations

import pytest

from permix.fidelity.copied import copied_share

DRUMMER = "You are a jazz drummer. Everything has a rhythm, and you tap it on the table."


@pytest.mark.parametrize(
    ("reply", "share"),
    [
        ("", 0.0),
        (DRUMMER, 1.0),
        ("I am a jazz drummer. Everything has a rhythm, and I tap it on the table.", 1.0),
        ("I played the drums until the bar closed.", 0.0),
        ("Every drummer knows that jazz pays badly.", 0.0),
        ("I am a jazz drummer who sleeps until noon.", 0.4),
    ],
)
def test_a_copy_is_a_run_of_content_words(reply: str, share: float) -> None:
    assert copied_share(reply, DRUMMER) == pytest.approx(share, abs=0.01)


def test_a_prompt_of_one_content_word_is_copied_by_that_word() -> None:
    assert copied_share("A pirate!", "You are a pirate.") == 1.0
