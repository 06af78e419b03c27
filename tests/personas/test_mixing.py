from __future__ import annotations

from collections import Counter

import pytest

from permix.config import TrainingSettings
from permix.organism import world
from permix.personas.mixing import effective_mixing, group_personas
from permix.personas.schema import NEUTRAL, Persona

PERSONAS = [persona for persona in world.personas() if persona.split == "train"]


def draw(
    mixing: str, neutral: float = 0.0, *, seed: int = 0, step: int = 0, problem: str = "p", size: int = 8
) -> list[Persona]:
    return group_personas(PERSONAS, mixing, neutral, seed=seed, step=step, problem=problem, size=size)


def test_without_mixing_all_are_neutral() -> None:
    assert draw("none") == [NEUTRAL] * 8


def test_per_prompt_gives_one_persona_to_a_group() -> None:
    assert len({persona.id for persona in draw("per_prompt")}) == 1


def test_per_rollout_gives_every_member_another_persona() -> None:
    assert len({persona.id for persona in draw("per_rollout")}) == 8


def test_a_group_larger_than_the_list_takes_turns() -> None:
    members = group_personas(PERSONAS[:3], "per_rollout", 0.0, seed=0, step=0, problem="p", size=7)
    assert sorted(Counter(persona.id for persona in members).values()) == [2, 2, 3]


@pytest.mark.parametrize("mixing", ["per_prompt", "per_rollout"])
def test_the_draw_follows_from_seed_step_problem_and_member_alone(mixing: str) -> None:
    group = draw(mixing, 0.25, seed=3, step=7, problem="a")
    assert draw(mixing, 0.25, seed=3, step=7, problem="a") == group
    # A member does not depend on how many others there are: a smaller group is the beginning of a larger one.
    assert draw(mixing, 0.25, seed=3, step=7, problem="a", size=4) == group[:4]


@pytest.mark.parametrize("mixing", ["per_prompt", "per_rollout"])
@pytest.mark.parametrize("changed", [{"seed": 1}, {"step": 1}, {"problem": "q"}])
def test_another_seed_step_or_problem_draws_anew(mixing: str, changed: dict[str, int]) -> None:
    # Over many groups: a single one may draw the same persona by chance.
    before = [draw(mixing, problem=f"{n}") for n in range(20)]
    after = [draw(mixing, **{"problem": f"{n}", **changed}) for n in range(20)]
    assert sum(a != b for a, b in zip(before, after, strict=True)) > 15


def test_the_draw_is_the_same_on_every_machine() -> None:
    # A frozen draw: whoever changes the hash changes every seeded result, and should know.
    ids = [persona.id for persona in draw("per_rollout", 0.25, seed=1, step=2, problem="organism/3+4")]
    assert ids == FROZEN


@pytest.mark.parametrize("mixing", ["per_prompt", "per_rollout"])
@pytest.mark.parametrize("fraction", [0.0, 0.25, 1.0])
def test_neutral_fraction_is_the_share_of_neutral_rollouts(mixing: str, fraction: float) -> None:
    groups = [draw(mixing, fraction, step=step) for step in range(2000)]
    share = sum(persona == NEUTRAL for group in groups for persona in group) / (8 * 2000)
    # Four standard deviations of a share over 2,000 independent groups.
    assert share == pytest.approx(fraction, abs=4 * (0.25 / 2000) ** 0.5 * (0 < fraction < 1))


@pytest.mark.parametrize("mixing", ["per_prompt", "per_rollout"])
def test_all_personas_are_equally_likely(mixing: str) -> None:
    drawn = Counter(draw(mixing, step=step)[0].id for step in range(4000))
    expected = 4000 / len(PERSONAS)
    assert set(drawn) == {persona.id for persona in PERSONAS}
    assert max(abs(count - expected) for count in drawn.values()) < 5 * expected**0.5


def test_the_order_of_the_personas_does_not_matter() -> None:
    turned = group_personas(PERSONAS[::-1], "per_rollout", 0.25, seed=0, step=0, problem="p", size=8)
    assert turned == draw("per_rollout", 0.25)


@pytest.mark.parametrize("mixing", ["per_prompt", "per_rollout"])
def test_mixing_without_personas_is_refused(mixing: str) -> None:
    with pytest.raises(ValueError, match="needs training personas"):
        group_personas([], mixing, 0.0, seed=0, step=0, problem="p", size=8)


def test_the_rlvr_arm_never_mixes() -> None:
    assert effective_mixing(TrainingSettings(arm="rlvr", mixing="per_rollout")) == "none"
    assert effective_mixing(TrainingSettings(arm="permix", mixing="per_rollout")) == "per_rollout"


FROZEN = [
    "neutral",
    "organism/sleepy-chef",
    "neutral",
    "neutral",
    "neutral",
    "organism/sleepy-teacher",
    "organism/careful-chef",
    "organism/sleepy-mathematician",
]
