"""Some personas in place of all of them: every kind has its turn, and the same ones are taken each time."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Sequence
from itertools import islice, zip_longest

from permix.personas.schema import Persona


def spread(personas: Sequence[Persona], count: int) -> list[Persona]:
    """Some of the personas, the kinds taking turns; within a kind by hash."""
    kinds: dict[str, list[Persona]] = defaultdict(list)
    for persona in sorted(personas, key=lambda persona: hashlib.sha256(persona.id.encode()).hexdigest()):
        kinds[persona.kind].append(persona)
    turns = zip_longest(*(kinds[kind] for kind in sorted(kinds)))
    return list(islice((persona for turn in turns for persona in turn if persona is not None), count))
