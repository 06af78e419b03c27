from __future__ import annotations

from pathlib import Path

import pytest

from permix.models.fetch import fetch_base


def test_a_local_model_is_copied_without_pickles_and_code(tmp_path: Path) -> None:
    source = tmp_path / "model"
    source.mkdir()
    for name in ("model.safetensors", "config.json", "tokenizer.json", "chat_template.jinja", "manifest.json"):
        (source / name).write_text(name)
    for unwanted in ("pytorch_model.bin", "modeling_custom.py", "training_args.bin"):
        (source / unwanted).write_text("never run")
    reference = fetch_base(str(source), tmp_path / "base")
    assert reference.exists()
    copied = {path.name for path in (tmp_path / "base").iterdir()} - {"manifest.json"}
    assert copied == {"model.safetensors", "config.json", "tokenizer.json", "chat_template.jinja"}
    assert fetch_base(str(source), tmp_path / "base") == reference


def test_a_directory_without_weights_is_refused(tmp_path: Path) -> None:
    source = tmp_path / "model"
    source.mkdir()
    (source / "config.json").write_text("{}")
    with pytest.raises(FileNotFoundError, match=r"model' \(model.base or .*\) holds no \*.safetensors"):
        fetch_base(str(source), tmp_path / "base")


def test_a_model_that_is_nowhere_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setenv("HF_HOME", str(tmp_path))
    with pytest.raises(
        FileNotFoundError, match=r"'nobody/nothing' \(model.base or training.teacher\) is no directory here"
    ):
        fetch_base("nobody/nothing", tmp_path / "base")
