"""The library keeps what it promises: enough of every kind, in both splits, and none that its own curation rejects."""

from __future__ import annotations

import json
import re
from collections import Counter
from pathlib import Path

from permix.config import LibraryPersonas, PersonaSettings, Profile, load_profile
from permix.curation.markers import model_markers
from permix.curation.text import jaccard, words
from permix.personas.curate import curate_personas
from permix.personas.library import FILE, library_personas
from permix.personas.schema import KINDS
from permix.personas.sources import read_personas

PERSONAS = library_personas()
SETTINGS = PersonaSettings(sources=(LibraryPersonas(kind="library"),))


def test_every_kind_is_in_both_splits() -> None:
    counts = Counter((persona.kind, persona.split) for persona in PERSONAS)
    assert len(PERSONAS) >= 120
    assert set(counts) == {(kind, split) for kind in KINDS if kind != "neutral" for split in ("train", "eval")}
    assert min(counts.values()) >= 10


def test_its_own_curation_rejects_none() -> None:
    result = curate_personas(read_personas(SETTINGS.sources), SETTINGS, model_markers("organism"))
    assert result.rejects == []
    assert result.kept == PERSONAS


def test_no_two_are_near_each_other_least_of_all_across_the_splits() -> None:
    found = [(frozenset(words(persona.text)), persona) for persona in PERSONAS]
    near = [
        (left.id, right.id)
        for place, (own, left) in enumerate(found)
        for other, right in found[:place]
        if jaccard(own, other) >= (0.5 if left.split == right.split else 0.4)
    ]
    assert near == []


def test_they_differ_in_length_and_in_how_they_begin() -> None:
    lengths = sorted(len(persona.text) for persona in PERSONAS)
    assert lengths[5] <= 40
    assert lengths[-5] >= 300
    openings = Counter(" ".join(words(persona.text)[:2]) for persona in PERSONAS)
    assert len(openings) >= 30
    assert max(openings.values()) <= len(PERSONAS) / 2


def test_each_has_an_id_that_a_person_can_type_and_the_attribute_of_its_kind() -> None:
    attribute = {
        "expert": "field",
        "off_domain": "field",
        "everyday": "occupation",
        "roleplay": "character",
        "adverse": "manner",
    }
    for persona in PERSONAS:
        assert re.fullmatch(r"library/[a-z]+(-[a-z]+)*", persona.id)
        assert list(persona.attributes) == [attribute[persona.kind]]
        assert persona.attributes[attribute[persona.kind]].strip()


def test_the_file_holds_nothing_but_the_schema() -> None:
    rows = [json.loads(line) for line in FILE.read_text(encoding="utf-8").splitlines()]
    assert {frozenset(row) for row in rows} == {frozenset({"id", "kind", "split", "text", "attributes"})}


def test_a_profile_can_name_it(tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text("personas: {sources: [{kind: library}]}\n", encoding="utf-8")
    profile = load_profile(str(file))
    assert profile.personas == SETTINGS
    assert profile != Profile()
