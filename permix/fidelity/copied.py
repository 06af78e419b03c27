"""How much of a reply is copied out of its persona's prompt."""

from __future__ import annotations

from permix.curation.text import words

FUNCTION_WORDS = frozenset(
    words(
        "a about all also am an and any are as at be been but by can could did do does for from had has have he her "
        "hers him his how i if in into is it its just like may me might mine must my no nor not now of on or our ours "
        "out own she should so some such than that the their theirs them then there these they this those to too up "
        "us very was we were what when where which while who whom why will with would yet you your yours s t m re ve "
        "ll d"
    )
)
"""English words that say nothing about a persona; a recital in the first person changes nothing else."""


def copied_share(reply: str, prompt: str) -> float:
    """Share of a reply's content words that stand in a copied run, 0 to 1; 0 where it has none.

    Content words are those without FUNCTION_WORDS, so that "I am a jazz drummer" is a copy of "You are a jazz drummer".
    A copied run is two neighbouring content words that are neighbours in the prompt too (one, where the prompt has no
    more): a single word in common is how a persona speaks.
    """
    said, given = content_words(reply), content_words(prompt)
    length = min(2, len(given))
    if not length or not said:
        return 0.0
    runs = {tuple(given[n : n + length]) for n in range(len(given) - length + 1)}
    copied = {
        place
        for start in range(len(said) - length + 1)
        if tuple(said[start : start + length]) in runs
        for place in range(start, start + length)
    }
    return len(copied) / len(said)


def content_words(text: str) -> list[str]:
    """The words of a text, folded, without FUNCTION_WORDS."""
    return [word for word in words(text) if word not in FUNCTION_WORDS]
