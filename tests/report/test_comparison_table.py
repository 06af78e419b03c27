from __future__ import annotations

import io

from rich.console import Console
from scripted import scorecard

from permix.report.table import comparison_markdown, comparison_rows, comparison_table

BASE = scorecard({"organism/hasty-pirate": 1.0})
CANDIDATE = scorecard({})
UNMEASURED = CANDIDATE.model_copy(update={"fidelity": CANDIDATE.fidelity.model_copy(update={"roleplay": None})})


def test_the_rows_say_what_the_scorecards_say() -> None:
    rows = {row[0]: row[1:] for row in comparison_rows({"base": BASE, "candidate": UNMEASURED})}
    assert rows["worst persona"][0] == "hasty pirate"
    assert rows["PSS (worst / best)"][0].startswith("0.000 (0.000 to ")
    neutral, fidelity = BASE.stability.neutral, BASE.fidelity.roleplay
    assert fidelity is not None
    assert rows["neutral accuracy"][0] == f"1.000 ({neutral.low:.3f} to {neutral.high:.3f})"
    assert rows["fidelity in role-play"] == (f"1.000 ({fidelity.low:.3f} to {fidelity.high:.3f})", "not measured")
    assert "ungradable completions" not in rows


def test_ungradable_completions_are_said_where_there_are_any() -> None:
    bad = CANDIDATE.model_copy(update={"ungradable": 43})
    assert ("ungradable completions", "0", "43") in comparison_rows({"base": BASE, "candidate": bad})


def test_the_terminals_table_fits_eighty_columns_and_the_markdown_holds_the_same() -> None:
    cards = {"base": BASE, "candidate": CANDIDATE}
    console = Console(width=80, record=True, file=io.StringIO())
    console.print(comparison_table(cards, "Evaluation"))
    terminal, markdown = console.export_text(), comparison_markdown(cards)
    for row in comparison_rows(cards):
        assert "| " + " | ".join(row) + " |" in markdown
        assert all(cell in terminal for cell in row)
    assert "12 problems × 20 personas × 2 samples at temperature 1; 95% intervals." in terminal
