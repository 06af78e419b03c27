"""One HTML page about the data of a run: what was kept, what was rejected and why; one file, without scripts."""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup

from permix.report.data_facts import SetFacts
from permix.report.template import TEMPLATES, render

DATA_REPORT = "data.html"
MUCH = 0.2
"""A source of which more was rejected is worth a warning."""
SPLITS = {"train": "training", "eval": "held-out"}


def data_page(sets: Sequence[SetFacts]) -> str:
    """The page of the curated sets of one run; it is called after their sources."""
    return render(
        "data",
        css=Markup("\n".join((TEMPLATES / name).read_text(encoding="utf-8") for name in ("page.css", "data.css"))),
        title=", ".join(dict.fromkeys(count["source"] for one in sets for count in one.counts)),
        sets=sets,
        tiles=[(f"{what} {one.name}", one.kept[split]) for one in sets for split, what in SPLITS.items()],
        rejected=sum(sum(one.reasons.values()) for one in sets),
        warnings=_warnings(sets),
    )


def _warnings(sets: Sequence[SetFacts]) -> list[str]:
    """What a reader should know before using the sets."""
    found = []
    if not all(one.manifest.get("tokenizer") for one in sets):
        found.append(
            "The model's tokenizer was not at hand: its own chat markers and lengths in its tokens were not checked."
        )
    for one in sets:
        if one.accepted:
            found.append(f"{len(one.accepted)} of the {one.name} are kept against a check, accepted by name.")
        for count in one.counts:
            share = 1 - count["kept"] / count["rows"]
            if share > MUCH:
                found.append(f"{share:.0%} of {count['source']} ({count['split'] or 'unread'}) was rejected.")
    return found
