"""The schema of scorecard.json into docs/: python -m permix.report.schema."""

from __future__ import annotations

import json
from pathlib import Path

from permix.evaluation.scorecard import Scorecard

FILE = Path(__file__).resolve().parents[2] / "docs" / "scorecard.schema.json"

if __name__ == "__main__":
    FILE.write_text(json.dumps(Scorecard.model_json_schema(), indent=2) + "\n", encoding="utf-8")
    print(FILE)
