from __future__ import annotations

import json
from pathlib import Path

import pytest
from pydantic import ValidationError

from permix.config import FilePersonas
from permix.curation.rejects import Reject
from permix.curation.rows import SourceError
from permix.personas import Persona
from permix.personas.sources import drawn_split, read_personas


def source(tmp_path: Path, rows: list[dict[str, str]], **settings: object) -> FilePersonas:
    path = tmp_path / "rows.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return FilePersonas.model_validate({"kind": "file", "name": "here", "path": str(path), **settings})


def test_the_template_makes_the_system_prompt_and_the_description_stays(tmp_path: Path) -> None:
    # A persona of PersonaGym (MIT licence).
    description = "A 36-year-old environmental lawyer from Australia"
    (persona,) = read_personas([source(tmp_path, [{"persona": description}], template="You are {persona}.")])
    assert isinstance(persona, Persona)
    assert persona.text == f"You are {description}."
    assert persona.attributes == {"description": description}
    assert (persona.id, persona.kind) == ("here/1", "everyday")


@pytest.mark.parametrize(("share", "split"), [(0.0, "train"), (1.0, "eval")])
def test_the_eval_share_is_kept_at_its_ends(tmp_path: Path, share: float, split: str) -> None:
    rows = [{"persona": f"a person with {i} hats"} for i in range(20)]
    personas = read_personas([source(tmp_path, rows, eval_share=share)])
    assert {persona.split for persona in personas} == {split}


def test_the_split_depends_on_the_words_alone() -> None:
    drawn = [drawn_split(f"a person with {i} hats", 0.5) for i in range(400)]
    assert 160 <= drawn.count("eval") <= 240
    assert drawn == [drawn_split(f"A person, with {i} HATS!", 0.5) for i in range(400)]


def test_a_template_without_a_place_for_the_persona_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"source here: its template .* has no place for \{persona\}"):
        list(read_personas([source(tmp_path, [{"persona": "a pirate"}], template="You are {person}.")]))


def test_an_unknown_kind_in_the_profile_is_refused_with_the_known_ones(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"unknown persona_kind 'rolepaly'; kinds: .*roleplay"):
        list(read_personas([source(tmp_path, [{"persona": "a pirate"}], persona_kind="rolepaly")]))


def test_a_missing_column_names_file_row_column_and_what_there_is(tmp_path: Path) -> None:
    here = source(tmp_path, [{"description": "a pirate"}, {"description": "a poet"}])
    with pytest.raises(SourceError) as error:
        list(read_personas([here]))
    for part in (here.path, "row 1", "'persona'", "columns: description"):
        assert part in str(error.value)


def test_a_plain_list_is_one_persona_a_line(tmp_path: Path) -> None:
    path = tmp_path / "personas.txt"
    path.write_text("a lighthouse keeper\n\na baker of rye bread\n", encoding="utf-8")
    settings = {"kind": "file", "name": "mine", "path": str(path), "template": "You are {persona}."}
    personas = list(read_personas([FilePersonas.model_validate(settings)]))
    assert [(row.id, row.text) for row in personas] == [
        ("mine/1", "You are a lighthouse keeper."),
        ("mine/3", "You are a baker of rye bread."),
    ]


def test_a_plain_list_has_no_column_of_kinds() -> None:
    settings = {"kind": "file", "name": "mine", "path": "personas.txt", "kind_column": "kind"}
    with pytest.raises(ValidationError, match="has no columns: leave kind_column out"):
        FilePersonas.model_validate(settings)


def test_rows_in_the_form_of_personahub_need_no_setting_but_the_template(tmp_path: Path) -> None:
    # The form of PersonaHub's persona.jsonl and elite_personas (Ge et al. 2024), whose rows start with an article or
    # not, and may carry columns of their own; the wording is ours.
    rows = [
        {"persona": "A municipal archivist with a passion for flood maps of the nineteenth century"},
        {"persona": "An amateur brewer", "general domain (top 1 percent)": "Food", "specific domain": "None"},
    ]
    personas = list(read_personas([source(tmp_path, rows, template="You are this person: {persona}.")]))
    assert all(isinstance(persona, Persona) for persona in personas)
    assert [persona.text for persona in personas] == [f"You are this person: {row['persona']}." for row in rows]


def test_a_table_may_carry_each_personas_kind(tmp_path: Path) -> None:
    path = tmp_path / "personas.csv"
    path.write_text("kind,persona\nexpert,a topologist\neveryday,a baker\nsage,a hermit\n", encoding="utf-8")
    settings = {"kind": "file", "name": "mine", "path": str(path), "kind_column": "kind"}
    first, second, unknown = read_personas([FilePersonas.model_validate(settings)])
    assert isinstance(first, Persona)
    assert isinstance(second, Persona)
    assert isinstance(unknown, Reject)
    assert (first.kind, second.kind, unknown.reason) == ("expert", "everyday", "unknown kind")
