"""A model from elsewhere, as base or as teacher: copied or downloaded once, so that it has a digest and stays so."""

from __future__ import annotations

import shutil
from pathlib import Path

from permix.reference import Reference, finish, finished

FILES = ("*.safetensors", "*.json", "*.jinja", "*.model", "*.txt")
"""Weights, configuration and tokenizer; never pickles, never code."""


def fetch_base(name: str, directory: Path) -> Reference:
    """Put a model into `directory`: from a local directory, or from the Hugging Face hub by its id.

    A finished directory is returned as it is. Raises FileNotFoundError where neither has safetensors of that name.
    """
    if (done := finished(directory)) is not None:
        return done
    directory.mkdir(parents=True, exist_ok=True)
    source = Path(name)
    if source.is_dir():
        for file in sorted(file for pattern in FILES for file in source.glob(pattern) if file.name != "manifest.json"):
            shutil.copy2(file, directory)
    else:
        from huggingface_hub import snapshot_download
        from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

        try:
            snapshot_download(name, local_dir=directory, allow_patterns=list(FILES))
        except (HFValidationError, HfHubHTTPError, LocalEntryNotFoundError) as error:
            raise FileNotFoundError(
                f"{name!r} (model.base or training.teacher) is no directory here, and the Hugging Face hub does not "
                f"give it: {error}"
            ) from error
    if not any(directory.glob("*.safetensors")):
        raise FileNotFoundError(f"{name!r} (model.base or training.teacher) holds no *.safetensors")
    return finish(directory, model=name)
