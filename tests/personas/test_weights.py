from __future__ import annotations

from collections import Counter

import pytest

from permix.organism import world
from permix.personas.library import library_personas
from permix.personas.mixing import group_personas
from permix.personas.schema import Persona
from permix.personas.weights import FAILING, kind_shares, persona_weights

PERSONAS = [persona for persona in world.personas() if persona.split == "train"]
LIBRARY = [persona for persona in library_personas() if persona.split == "train"]
KINDS = sorted({persona.kind for persona in PERSONAS})


def first_drawn(personas: list[Persona], weights: dict[str, float], draws: int, mixing: str) -> Counter[str]:
    groups = [
        group_personas(personas, mixing, 0.0, seed=0, step=step, problem="p", size=2, weights=weights)
        for step in range(draws)
    ]
    return Counter(group[0].id for group in groups)


@pytest.mark.parametrize("mixing", ["per_prompt", "per_rollout"])
def test_a_persona_is_drawn_as_often_as_it_weighs(mixing: str) -> None:
    weights = {persona.id: 1.0 + n for n, persona in enumerate(PERSONAS[:5])}
    drawn = first_drawn(PERSONAS[:5], weights, 6000, mixing)
    for identity, weight in weights.items():
        chance = weight / 15
        assert abs(drawn[identity] / 6000 - chance) < 4 * (chance * (1 - chance) / 6000) ** 0.5


def test_equal_weights_draw_as_none_does() -> None:
    one = persona_weights(PERSONAS, "uniform")
    for step in range(50):
        where = {"seed": 0, "step": step, "problem": "p", "size": 8}
        drawn = group_personas(PERSONAS, "per_rollout", 0.25, **where, weights=one)
        assert drawn == group_personas(PERSONAS, "per_rollout", 0.25, **where)


def test_one_that_weighs_nothing_is_never_drawn() -> None:
    weights = {persona.id: float(n > 2) for n, persona in enumerate(PERSONAS[:6])}
    members = group_personas(PERSONAS[:6], "per_rollout", 0.0, seed=0, step=0, problem="p", size=8, weights=weights)
    assert {persona.id for persona in members} == {persona.id for persona in PERSONAS[3:6]}


def test_every_kind_has_the_same_mass() -> None:
    assert kind_shares(PERSONAS, persona_weights(PERSONAS, "by_kind")) == pytest.approx(dict.fromkeys(KINDS, 0.2))
    assert max(kind_shares(PERSONAS, persona_weights(PERSONAS, "uniform")).values()) == pytest.approx(16 / 40)


def test_a_kind_has_the_mass_it_is_given() -> None:
    masses = {"expert": 1.0, "everyday": 1.0, "off_domain": 0.0, "roleplay": 2.0, "adverse": 4.0}
    shares = kind_shares(LIBRARY, persona_weights(LIBRARY, masses))
    assert shares == pytest.approx({kind: mass / 8 for kind, mass in masses.items()})


@pytest.mark.parametrize(
    ("masses", "told"),
    [
        ({"expert": 1.0}, "gives no weight to adverse, everyday, off_domain, roleplay"),
        (dict.fromkeys(KINDS, 0.0), "leaves every kind out"),
    ],
)
def test_a_mapping_that_does_not_fit_is_refused(masses: dict[str, float], told: str) -> None:
    with pytest.raises(ValueError, match=told):
        persona_weights(PERSONAS, masses)
    with pytest.raises(ValueError, match=r"weighs adverse, .*there is no training persona of that kind"):
        persona_weights([p for p in PERSONAS if p.kind == "expert"], dict.fromkeys(KINDS, 1.0))


def test_those_that_fail_weigh_more_and_none_starves() -> None:
    accuracy = {persona.id: n / (len(PERSONAS) - 1) for n, persona in enumerate(PERSONAS)}
    weights = list(persona_weights(PERSONAS, "adaptive", accuracy).values())
    assert weights == sorted(weights, reverse=True)
    assert weights[0] / weights[-1] == pytest.approx(FAILING)
    assert sum(weights) == pytest.approx(len(PERSONAS))


def test_nothing_known_all_alike() -> None:
    assert set(persona_weights(PERSONAS, "adaptive").values()) == {1.0}
    # One that has not been seen yet weighs what the others weigh on average.
    weights = persona_weights(PERSONAS[:3], "adaptive", {PERSONAS[0].id: 0.0, PERSONAS[1].id: 1.0})
    assert weights[PERSONAS[2].id] == pytest.approx(1.0)
