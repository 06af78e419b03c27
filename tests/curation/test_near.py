from __future__ import annotations

import random

from permix.curation.near import Bands
from permix.curation.text import jaccard, shingles

THRESHOLD = 0.8


def texts() -> list[str]:
    """200 texts of 60 words, each followed by a copy in which up to eight words are others."""
    draw = random.Random(0)
    vocabulary = [f"word{n}" for n in range(2000)]
    found = []
    for n in range(200):
        text = draw.choices(vocabulary, k=60)
        copy = list(text)
        for place in draw.sample(range(60), n % 9):
            copy[place] = draw.choice(vocabulary)
        found += [" ".join(text), " ".join(copy)]
    return found


def pairs(bands: Bands) -> list[tuple[int, int]]:
    return [(later, earlier) for later, earlier in bands.candidates().tolist()]


def test_near_pairs_are_candidates_and_far_ones_are_few() -> None:
    all_texts = texts()
    bands = Bands(THRESHOLD)
    bands.add(all_texts[:100], [""] * 100)
    bands.add(all_texts[100:], [""] * 300)
    candidates = pairs(bands)
    assert candidates == sorted(set(candidates))
    assert all(earlier < later for later, earlier in candidates)
    near = {
        (n + 1, n)
        for n in range(0, len(all_texts), 2)
        if jaccard(shingles(all_texts[n]), shingles(all_texts[n + 1])) >= THRESHOLD
    }
    assert len(near) > 50
    # At the threshold itself 95 % are found, of nearer ones more.
    assert len(near & set(candidates)) >= 0.95 * len(near)
    assert len(candidates) < 3 * len(near), "79,800 pairs are compared by a look at their bands only"


def test_texts_that_are_all_alike_do_not_make_all_pairs() -> None:
    bands = Bands(0.9)
    bands.add(["the same text for everybody"] * 1000, [""] * 1000)
    candidates = pairs(bands)
    assert len(candidates) == 999 + 998
    assert {later for later, earlier in candidates if earlier == 0} == set(range(1, 1000))


def test_of_no_texts_there_are_no_pairs() -> None:
    bands = Bands(0.9)
    bands.add([], [])
    assert pairs(bands) == []


def test_texts_of_different_keys_are_never_paired() -> None:
    bands = Bands(0.9)
    bands.add(["the same text for everybody"] * 4, ["7", "8", "7", "9"])
    assert pairs(bands) == [(2, 0)]
