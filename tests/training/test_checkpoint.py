from __future__ import annotations

from pathlib import Path

from permix.training.checkpoint import checkpoint_path, finish_checkpoint, last_checkpoint, remove_unfinished


def write(checkpoints: Path, step: int, *, whole: bool = True) -> Path:
    path = checkpoint_path(checkpoints, step)
    path.mkdir(parents=True)
    (path / "model.safetensors").write_bytes(b"weights")
    if whole:
        finish_checkpoint(checkpoints, step)
    return path


def test_no_directory_no_checkpoint(tmp_path: Path) -> None:
    assert last_checkpoint(tmp_path / "none") is None


def test_the_newest_is_the_one_with_most_steps_not_the_last_by_name(tmp_path: Path) -> None:
    write(tmp_path, 50)
    newest = write(tmp_path, 100)
    write(tmp_path, 9)
    assert last_checkpoint(tmp_path) == newest


def test_a_half_written_checkpoint_does_not_count_and_is_removed(tmp_path: Path) -> None:
    whole = write(tmp_path, 50)
    half = write(tmp_path, 100, whole=False)
    assert last_checkpoint(tmp_path) == whole
    remove_unfinished(tmp_path)
    assert whole.is_dir()
    assert not half.exists()
