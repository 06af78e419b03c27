from __future__ import annotations

from pathlib import Path

import pytest

from permix.curation.rows import BadRow, Row, SourceError, read_jsonl


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "rows.jsonl"
    path.write_text(text, encoding="utf-8")
    return path


def test_wanted_columns_come_as_text_and_numbers_keep_their_spelling(tmp_path: Path) -> None:
    path = written(tmp_path, '{"q": "a", "n": 18.0, "other": {}}\n\n{"q": null, "n": 007e2}\n{"q": "b", "n": 1e400}\n')
    first, second, third = read_jsonl(path, ["q", "n"])
    assert first == Row(1, {"q": "a", "n": "18.0"})
    assert isinstance(second, BadRow)  # JSON has no number 007e2
    assert second.number == 3, "an empty line counts, so that an editor finds the row"
    assert third == Row(4, {"q": "b", "n": "1e400"})


def test_a_byte_order_mark_is_no_fault(tmp_path: Path) -> None:
    path = tmp_path / "bom.jsonl"
    path.write_bytes(b'\xef\xbb\xbf{"q": "a"}\r\n')
    assert list(read_jsonl(path, ["q"])) == [Row(1, {"q": "a"})]


def test_a_column_missing_in_one_row_is_that_rows_fault(tmp_path: Path) -> None:
    path = written(tmp_path, '{"q": "a", "gold": "1"}\n{"q": "b", "golf": "2"}\n')
    _, bad = read_jsonl(path, ["q", "gold"])
    assert isinstance(bad, BadRow)
    assert bad.reason == "missing column"
    assert "'gold'" in bad.detail
    assert "did you mean 'golf'" in bad.detail


def test_a_column_missing_everywhere_names_file_row_column_and_what_there_is(tmp_path: Path) -> None:
    path = written(tmp_path, '\n{"question": "a", "answer": "1"}\n{"question": "b", "answer": "2"}\n')
    with pytest.raises(SourceError) as error:
        list(read_jsonl(path, ["problem", "answer"]))
    for part in (str(path), "row 2", "'problem'", "columns: question, answer", "profile"):
        assert part in str(error.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [("", "holds no rows"), ("\n\n", "holds no rows"), ("problem,answer\n1+1,2\n", "row 1: not a line of JSON")],
)
def test_a_file_without_one_good_row_is_refused(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(SourceError, match=message):
        list(read_jsonl(written(tmp_path, text), ["problem"]))


def test_a_missing_file_is_named_with_where_it_was_looked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SourceError) as error:
        list(read_jsonl(Path("gone.jsonl"), ["problem"]))
    assert str(tmp_path / "gone.jsonl") in str(error.value)
