from __future__ import annotations

from scripted import scorecard

from permix.organism import world
from permix.personas.schema import NEUTRAL
from permix.watch import fallen

EVERYBODY = (NEUTRAL, *world.personas())


def test_the_same_again_has_not_fallen_and_noise_is_no_fall() -> None:
    registered = scorecard({persona.id: 0.2 for persona in EVERYBODY})
    assert fallen(registered, registered, "fresh problems") == []
    assert fallen(registered, scorecard({persona.id: 0.25 for persona in EVERYBODY}), "fresh problems") == []


def test_what_has_fallen_beyond_its_interval_is_named_with_its_figures() -> None:
    confused = {persona.id: 0.9 for persona in EVERYBODY if persona.attributes.get("manner") == "confused"}
    falls = fallen(scorecard({}), scorecard(confused), "your personas")
    assert {fall.figure for fall in falls} == {"pss", "worst"}
    assert falls[0].sentence.startswith("pss on your personas is 0.")
    assert "; it was registered with 1.000 (0." in falls[0].sentence


def test_a_lost_voice_is_a_fall_of_fidelity() -> None:
    mute = scorecard({}, frozenset(persona.id for persona in EVERYBODY))
    assert [fall.figure for fall in fallen(scorecard({}), mute, "fresh problems")] == ["fidelity"]
