"""What a training wrote and how each persona did, as pages that a browser shows; MLflow's shows them as they are.

Everything that a model or a data set wrote is escaped: a page holds text, never code.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from itertools import groupby
from typing import Any

STYLE = """<meta charset="utf-8"><style>
body { font: 14px/1.4 system-ui, sans-serif; margin: 1em; color: #1f2328; background: #fff }
h1 { font-size: 1.3em } h2 { font-size: 1.05em; margin: 1.6em 0 .4em } small { font-weight: normal; color: #57606a }
table { border-collapse: collapse; width: 100% } th { text-align: left; color: #57606a; font-weight: normal }
td, th { padding: .25em .6em; border-bottom: 1px solid #d8dee4; vertical-align: top }
td.text { white-space: pre-wrap; font-family: ui-monospace, monospace; width: 55% } td.number { text-align: right }
tr.correct td.text { background: #dafbe1 } tr.incorrect td.text { background: #ffebe9 }
tr.ungradable td.text, tr.role-play td.text { background: #eaeef2 } table.curves { width: auto }
</style>"""


def completions_page(rows: Sequence[Mapping[str, Any]]) -> str:
    """A step's completions, group by group; the rows are those of permix.training.tables.completion_rows."""
    graded = [row["verdict"] == "correct" for row in rows if row["verdict"] in ("correct", "incorrect")]
    right = f"{sum(graded) / len(graded):.0%} of {len(graded)} graded are correct" if graded else "none could be graded"
    parts = [f"<!doctype html>{STYLE}<h1>Step {rows[0]['step']} <small>{len(rows)} completions; {right}</small></h1>"]
    for _, members in groupby(rows, key=lambda row: row["problem"]):
        parts.append(_group(list(members)))
    return "\n".join(parts)


def _group(rows: Sequence[Mapping[str, Any]]) -> str:
    correct = sum(row["verdict"] == "correct" for row in rows)
    if rows[0]["gold"] is None:
        about = f"role-play; {escape(rows[0]['problem'])}; no gold, so only the KL term trains on it"
    else:
        teaches = "" if any(row["advantage"] for row in rows) else "; all alike, so nothing is learnt"
        gold, problem = escape(rows[0]["gold"]), escape(rows[0]["problem"])
        about = f"gold {gold}; {problem}; {correct} of {len(rows)} correct{teaches}"
    return "\n".join(
        [
            f"<h2>{escape(rows[0]['question'])} <small>{about}</small></h2>",
            "<table><tr><th>persona<th>completion<th>verdict<th>answer<th>advantage</tr>",
            *map(_completion, rows),
            "</table>",
        ]
    )


def _completion(row: Mapping[str, Any]) -> str:
    answer = "none" if row["answer"] is None else row["answer"]
    return (
        f'<tr class="{row["verdict"]}"><td>{escape(row["persona"])}<br><small>{escape(row["kind"])}</small>'
        f'<td class="text">{escape(row["completion"])}<td>{row["verdict"]}<br><small>{escape(row["reason"])}</small>'
        f'<td>{escape(answer)}<td class="number">{row["advantage"]:+.2f}</tr>'
    )


def personas_page(rows: Sequence[Mapping[str, Any]]) -> str:
    """Accuracy of each persona between one table and the next; rows are those of tables.persona_rows, of all steps."""
    steps = sorted({row["step"] for row in rows})
    last = {(row["persona"], row["step"]): row for row in rows}
    kinds = {row["persona"]: row["kind"] for row in rows}
    heads = "".join(f"<th>to step {step}" for step in steps)
    parts = [
        f"<!doctype html>{STYLE}<h1>Accuracy by persona <small>of the training's own rollouts, since the column before "
        "(how many: point at it)</small></h1>",
        f'<table class="curves"><tr><th>persona<th>kind{heads}<th>running<th>weight</tr>',
    ]
    for persona, kind in sorted(kinds.items(), key=lambda item: (item[1], item[0])):
        record = [last.get((persona, step)) for step in steps]
        cells, graded, correct = [], 0, 0
        for row in record:
            if row is None:
                cells.append("<td>")
                continue
            cells.append(_share(row["correct"] - correct, row["graded"] - graded))
            graded, correct = row["graded"], row["correct"]
        now = next(row for row in reversed(record) if row is not None)
        weight = "" if now["weight"] is None else f"{now['weight']:.2f}"
        parts.append(
            f"<tr><td>{escape(persona)}<td>{escape(kind)}{''.join(cells)}"
            f'<td class="number">{now["running"]:.2f}<td class="number">{weight}</tr>'
        )
    return "\n".join([*parts, "</table>"])


def _share(correct: int, graded: int) -> str:
    if not graded:
        return '<td title="none">'
    share = correct / graded
    # From red through yellow to green, pale enough to read on.
    return f'<td class="number" style="background: hsl({120 * share:.0f} 70% 85%)" title="{graded}">{share:.2f}'
