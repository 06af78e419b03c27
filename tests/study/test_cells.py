"""What a study trains."""

from __future__ import annotations

import re

import pytest

from permix.config import Profile, ProfileError, StudySettings, parse_profile
from permix.study.cells import ablation_cells, arm_cells, base_cells, map_cells

SMALL = StudySettings(
    seeds=(3, 4), ablation_seeds=(3, 4), ablations={"no_kl": {"training.kl": 0.0}},
    map_learning_rates=(1e-3,), map_kls=(0.0, 0.1), map_steps=(5,),
)  # fmt: skip
PROFILE = Profile(study=SMALL)


def test_arms_differ_in_what_the_study_names_and_in_nothing_else() -> None:
    cells = arm_cells(PROFILE)
    assert [(cell.name, cell.seed) for cell in cells] == [(arm, seed) for seed in (3, 4) for arm in SMALL.arms]
    for cell in cells:
        training = cell.profile.training
        assert cell.profile.seed == cell.seed
        same = training.model_copy(update={"arm": PROFILE.training.arm, "mixing": PROFILE.training.mixing})
        assert same == PROFILE.training
    assert {cell.profile.training.arm for cell in cells} == {"sft", "distillation", "rlvr", "permix"}


def test_ablations_change_the_permix_arm() -> None:
    cells = ablation_cells(PROFILE)
    assert {cell.name for cell in cells} == {"permix_per_prompt", "no_kl"}
    assert {cell.profile.training.kl for cell in cells if cell.name == "no_kl"} == {0.0}
    assert {cell.profile.training.arm for cell in cells} == {"permix"}


def test_the_map_is_every_point() -> None:
    cells = map_cells(PROFILE)
    assert [(cell.name, cell.profile.training.kl) for cell in cells] == [
        ("rlvr", 0.0), ("permix_per_prompt", 0.0), ("rlvr", 0.1), ("permix_per_prompt", 0.1),
    ]  # fmt: skip
    assert len({cell.label for cell in cells}) == len(cells)
    assert all(re.fullmatch(r"[a-z0-9-]+", cell.label) for cell in cells), "Prefect's artifacts allow no other name"


def test_a_base_for_every_seed_once() -> None:
    cells = [*arm_cells(PROFILE), *map_cells(PROFILE)]
    assert [cell.seed for cell in base_cells(PROFILE, cells)] == [3, 4, 101]


@pytest.mark.parametrize(
    ("study", "told"),
    [
        ({"permix": "permux"}, "study.permix: no arm 'permux'"),
        ({"map_arms": ["sft", "x"]}, "study.map_arms: no arm 'x'"),
        ({"arms": {"base": {}}, "permix": "base"}, "base is always there"),
        ({"ablations": {"rlvr": {}}}, "'rlvr' is an arm's name"),
        ({"seeds": [1]}, "at least 2 items"),
    ],
)
def test_a_study_that_cannot_be_is_refused(study: dict[str, object], told: str) -> None:
    with pytest.raises(ProfileError, match=re.escape(told)):
        parse_profile({"study": study})


def test_a_misspelt_override_names_the_key() -> None:
    profile = Profile(study=SMALL.model_copy(update={"arms": {**SMALL.arms, "odd": {"training.kll": 1}}}))
    with pytest.raises(ProfileError, match=r"training\.kll: unknown key; did you mean 'kl'"):
        arm_cells(profile)
