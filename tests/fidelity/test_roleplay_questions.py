from __future__ import annotations

from itertools import combinations

from permix.curation.text import jaccard, shingles
from permix.fidelity.questions import evaluation_questions, probe_questions
from permix.training.roleplay import OWN_QUESTIONS, read_questions


def test_no_question_is_asked_in_two_places() -> None:
    """Near copies too; the nearest two of all are told apart by most of their runs of words."""
    sets = [evaluation_questions(), probe_questions(), read_questions(OWN_QUESTIONS)]
    assert [len(found) for found in sets[:2]] == [24, 6]
    for left, right in combinations(sets, 2):
        assert max(jaccard(shingles(a), shingles(b)) for a in left for b in right) < 0.5
