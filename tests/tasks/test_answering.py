"""What runs a model, as the profile chooses."""

from __future__ import annotations

from importlib.util import find_spec

import pytest

from permix.config import EvaluationSettings
from tasks.answering import run_model
from tasks.stage import StageResult


@pytest.mark.skipif(find_spec("vllm") is not None, reason="vLLM is installed")
def test_a_backend_that_is_not_installed_is_refused_by_its_key(tmp_path: str) -> None:
    policy = StageResult(stage="given", path=str(tmp_path), digest="d", mlflow_run_id="")
    with pytest.raises(ValueError, match=r"evaluation\.backend is vllm, which is not installed"):
        run_model(policy, EvaluationSettings(backend="vllm"))
