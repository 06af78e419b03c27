"""Which personas are fit to be mixed in or held out, and why the others are not. Pure: rows in, rows and rejects out.

Left out: near-duplicates within a split, lengths in tokens (issue 7).
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable

from permix.config import PersonaSettings
from permix.curation.markers import Markers
from permix.curation.rejects import Curation, Reject
from permix.curation.rows import SourceError
from permix.curation.text import jaccard, words
from permix.personas.checks import load_checks
from permix.personas.schema import Persona


def curate_personas(
    rows: Iterable[Persona | Reject], settings: PersonaSettings, markers: Markers | None = None
) -> Curation[Persona]:
    """Sort personas into kept and rejected; rows that were rejected in reading stay so. Order of rows is kept.

    A row gets the first reason that holds: `empty persona`, `too long`, `chat marker`, one of checks.REASONS (unless
    `settings.accept` names it), `duplicate id`, `duplicate` (the same words as another of its split),
    `near an eval persona` (a training persona that shares `settings.near_duplicate` of its words, by Jaccard, with a
    kept eval persona).

    Raises SourceError where `settings.accept` names what is no persona of the sources.
    """
    markers = markers or Markers()
    checks = load_checks(settings.exclude)
    read = list(rows)
    _check_accepted(settings.accept, [row.id for row in read])
    rejects = [row for row in read if isinstance(row, Reject)]
    accepted: list[Reject] = []
    fit: list[Persona] = []
    for persona in read:
        if isinstance(persona, Reject):
            continue
        fault = _fault(persona, settings, markers)
        if fault:
            rejects.append(_reject(persona, *fault))
            continue
        if hits := checks.find(persona.text):
            quarantined = _reject(persona, hits[0].reason, "; ".join(map(str, hits)))
            if persona.id not in settings.accept:
                rejects.append(quarantined)
                continue
            accepted.append(quarantined)
        fit.append(persona)

    # Eval first: its personas decide which training personas may stay, wherever they stand among the sources.
    ids: dict[str, Persona] = {}
    texts: dict[tuple[str, str], Persona] = {}
    held_out: list[tuple[frozenset[str], Persona]] = []
    for persona in sorted(fit, key=lambda persona: persona.split != "eval"):
        found = words(persona.text)
        key = (persona.split, " ".join(found))
        clash = None
        if key in texts:
            clash = _reject(persona, "duplicate", f"the same words as {texts[key].id}", texts[key].id, 1.0)
        elif persona.id in ids:
            clash = _reject(persona, "duplicate id", "another persona has this id already", persona.id)
        elif persona.split == "train":
            clash = _near(persona, frozenset(found), held_out, settings.near_duplicate)
        if clash is not None:
            rejects.append(clash)
            continue
        ids[persona.id] = texts[key] = persona
        if persona.split == "eval":
            held_out.append((frozenset(found), persona))
    kept = [persona for persona in fit if ids.get(persona.id) is persona]
    # One that was accepted may still be a duplicate, say: then it is not kept, and not accepted either.
    kept_ids = {persona.id for persona in kept}
    return Curation(kept, rejects, [row for row in accepted if row.id in kept_ids])


def _check_accepted(accept: tuple[str, ...], ids: list[str]) -> None:
    for name in accept:
        if name not in ids:
            near = difflib.get_close_matches(name, ids, n=1)
            hint = f" (did you mean {near[0]!r}?)" if near else ""
            raise SourceError(f"personas.accept names {name!r}{hint}, which is no persona of this profile's sources")


def _fault(persona: Persona, settings: PersonaSettings, markers: Markers) -> tuple[str, str] | None:
    if not words(persona.text):
        return "empty persona", "it holds no word"
    if len(persona.text) > settings.max_chars:
        return "too long", f"{len(persona.text)} characters; at most {settings.max_chars}"
    if (marker := markers.find(persona.text)) is not None:
        return "chat marker", f"holds {marker}, which a chat template takes for its own"
    return None


def _near(
    persona: Persona, own: frozenset[str], held_out: list[tuple[frozenset[str], Persona]], limit: float
) -> Reject | None:
    if not held_out:
        return None
    share, nearest = max(((jaccard(own, other), nearest) for other, nearest in held_out), key=lambda pair: pair[0])
    if share < limit:
        return None
    detail = f"shares {share:.0%} of its words with {nearest.id}: {nearest.text!r}"
    return _reject(persona, "near an eval persona", detail, nearest.id, share)


def _reject(persona: Persona, reason: str, detail: str, other: str = "", share: float = 0.0) -> Reject:
    return Reject(persona.id, persona.source, persona.split, reason, detail, persona.text, other, share)
