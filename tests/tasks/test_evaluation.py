from __future__ import annotations

from pathlib import Path

from permix.config import Profile
from tasks.evaluation import evaluation_key
from tasks.given import given_model
from tasks.stage import StageResult


def model(root: Path, weights: str) -> StageResult:
    root.mkdir()
    (root / "config.json").write_text("{}")
    (root / "model.safetensors").write_text(weights)
    return given_model(str(root))


def test_a_scorecard_is_kept_under_what_it_depends_on(tmp_path: Path) -> None:
    one, copy, other = (model(tmp_path / name, weights) for name, weights in (("1", "a"), ("2", "a"), ("3", "b")))
    assert one.digest == copy.digest != other.digest
    profile, data = Profile(), StageResult(stage="curate", path="/", digest="data", mlflow_run_id="")
    changed = data.model_copy(update={"digest": "changed"})
    finer = profile.model_copy(update={"evaluation": profile.evaluation.model_copy(update={"samples": 9})})
    elsewhere = profile.model_copy(update={"promotion": profile.promotion.model_copy(update={"min_pss": 0.9})})
    key = evaluation_key(profile, one, data, data)
    assert key == evaluation_key(profile, copy, data, data) == evaluation_key(elsewhere, one, data, data)
    keys = {
        key,
        evaluation_key(profile, other, data, data),
        evaluation_key(profile, one, changed, data),
        evaluation_key(profile, one, data, changed),
        evaluation_key(finer, one, data, data),
        evaluation_key(profile.model_copy(update={"seed": 1}), one, data, data),
    }
    assert len(keys) == 6
