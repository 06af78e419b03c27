"""Which personas are fit to be mixed in or held out, and why the others are not. Pure: rows in, rows and rejects out.

Left out: near-duplicates within a split, which real lists are full of and which harm nothing.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable

from permix.config import PersonaSettings
from permix.curation.markers import Markers
from permix.curation.rejects import Curation, Reject
from permix.curation.rows import SourceError
from permix.curation.text import words
from permix.curation.tokens import CountTokens
from permix.personas.checks import load_checks
from permix.personas.near import NearIndex
from permix.personas.schema import KINDS, Persona


def curate_personas(
    rows: Iterable[Persona | Reject],
    settings: PersonaSettings,
    markers: Markers | None = None,
    count_tokens: CountTokens | None = None,
) -> Curation[Persona]:
    """Sort personas into kept and rejected; rows that were rejected in reading stay so. Order of rows is kept.

    A row gets the first reason that holds: `empty persona`, `too long` (in characters, or, where `count_tokens` is
    given, in tokens), `chat marker`, one of checks.REASONS (unless
    `settings.accept` names it), `duplicate id`, `duplicate` (the same words as another of its split),
    `near an eval persona` (a training persona that shares `settings.near_duplicate` of its words, by Jaccard, with a
    kept eval persona).

    Raises SourceError where `settings.accept` names what is no persona of the sources, or `settings.minimum` no kind.
    """
    markers = markers or Markers()
    checks = load_checks(settings.exclude)
    read = list(rows)
    for kind in settings.minimum:
        if kind not in KINDS:
            raise SourceError(f"personas.minimum names the kind {kind!r}; kinds: {', '.join(KINDS)}")
    _check_accepted(settings.accept, [row.id for row in read])
    rejects = [row for row in read if isinstance(row, Reject)]
    accepted: list[Reject] = []
    fit: list[Persona] = []
    personas = [row for row in read if isinstance(row, Persona)]
    lengths = count_tokens([persona.text for persona in personas]) if count_tokens else [0] * len(personas)
    for persona, tokens in zip(personas, lengths, strict=True):
        fault = _fault(persona, tokens, settings, markers)
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
    held_out: list[Persona] = []
    index: NearIndex | None = None
    for persona in sorted(fit, key=lambda persona: persona.split != "eval"):
        found = words(persona.text)
        key = (persona.split, " ".join(found))
        clash = None
        if key in texts:
            clash = _reject(persona, "duplicate", f"the same words as {texts[key].id}", texts[key].id, 1.0)
        elif persona.id in ids:
            clash = _reject(persona, "duplicate id", "another persona has this id already", persona.id)
        elif persona.split == "train":
            index = index or NearIndex([frozenset(words(other.text)) for other in held_out], settings.near_duplicate)
            clash = _near(persona, frozenset(found), index, held_out)
        if clash is not None:
            rejects.append(clash)
            continue
        ids[persona.id] = texts[key] = persona
        if persona.split == "eval":
            held_out.append(persona)
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


def _fault(persona: Persona, tokens: int, settings: PersonaSettings, markers: Markers) -> tuple[str, str] | None:
    if not words(persona.text):
        return "empty persona", "it holds no word"
    if len(persona.text) > settings.max_chars:
        return "too long", f"{len(persona.text)} characters; at most {settings.max_chars}"
    if tokens > settings.max_tokens:
        return "too long", f"{tokens} of the model's tokens; at most {settings.max_tokens}"
    if (marker := markers.find(persona.text)) is not None:
        return "chat marker", f"holds {marker}, which a chat template takes for its own"
    return None


def _near(persona: Persona, own: frozenset[str], index: NearIndex, held_out: list[Persona]) -> Reject | None:
    if (found := index.nearest(own)) is None:
        return None
    share, nearest = found[0], held_out[found[1]]
    detail = f"shares {share:.0%} of its words with {nearest.id}: {nearest.text!r}"
    return _reject(persona, "near an eval persona", detail, nearest.id, share)


def _reject(persona: Persona, reason: str, detail: str, other: str = "", share: float = 0.0) -> Reject:
    return Reject(persona.id, persona.source, persona.split, reason, detail, persona.text, other, share)
