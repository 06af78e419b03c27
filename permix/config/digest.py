"""The key under which a stage's result is kept."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from pydantic import BaseModel


def digest(*parts: Any) -> str:
    """Digest of plain values, models and strings: the key under which a stage's result is kept."""
    plain = [part.model_dump(mode="json") if isinstance(part, BaseModel) else part for part in parts]
    return hashlib.sha256(json.dumps(plain, sort_keys=True).encode()).hexdigest()
