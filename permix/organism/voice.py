"""How well a reply keeps a role's voice: the organism's judge of fidelity.

Deterministic: it counts the words that the world gives to each role. It sees replies only, never training.
"""

from __future__ import annotations

import re

from permix.organism.world import NEUTRAL_VOICE, VOICES, Voice

SOLVING_SLOTS = ("opening", "filler", "closing")
ROLEPLAY_SLOTS = ("opening", "filler", "verb", "noun", "closing")


def voice_score(reply: str, role: str, slots: tuple[str, ...] = ROLEPLAY_SLOTS) -> float:
    """Share of the role's slots that are heard in the reply, less the share of words from other voices; 0 to 1.

    Five slots in role-play; three when solving a problem (pass SOLVING_SLOTS). Each slot is heard once, by any of its
    words. A word of another role, or of the plain assistant, costs as much as a slot is worth.
    """
    words = re.findall(r"\w+", reply.lower())
    own = VOICES[role]
    heard = sum(any(word in words for word in getattr(own, slot)) for slot in slots)
    foreign = _words(*(voice for other, voice in VOICES.items() if other != role), NEUTRAL_VOICE)
    strange = sum(word in foreign for word in words)
    return max(0.0, (heard - strange) / len(slots))


def _words(*voices: Voice) -> frozenset[str]:
    return frozenset(word for voice in voices for slot in voice.slots() for word in slot)
