from __future__ import annotations

from permix.fidelity.attribution import Reading, Reply
from permix.fidelity.sentences import by_sentence


def test_a_reply_that_falls_out_of_character_shows_where() -> None:
    text = "Arr matey! I help."
    reply = Reading(
        Reply("pirate", "?", text),
        {"pirate": (-1.0, -1.0, -3.0, -3.0), "knight": (-4.0, -4.0, -2.0, -2.0), "neutral": (-3.0, -3.0, -1.0, -2.0)},
        ends=(3, 10, 12, 18),
    )
    first, second = by_sentence(reply)
    assert (first.text, first.tokens, first.against_neutral, first.against_best) == ("Arr matey!", 2, 4.0, 6.0)
    assert (second.text, second.tokens, second.against_neutral, second.against_best) == ("I help.", 2, -3.0, -2.0)
    assert first.best == "knight"


def test_a_candidate_that_was_read_no_further_is_none_from_there() -> None:
    reply = Reading(
        Reply("a", "?", "One. Two."), {"a": (-1.0, -1.0), "b": (-2.0,), "neutral": (-2.0, -3.0)}, ends=(4, 9)
    )
    assert [sentence.against_best for sentence in by_sentence(reply)] == [1.0, None]


def test_an_empty_reply_has_no_sentences() -> None:
    assert by_sentence(Reading(Reply("a", "?", ""), {"a": (), "b": (), "neutral": ()})) == []
