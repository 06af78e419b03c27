"""Flow: the profile's problems and personas, curated into versioned Parquet and validated.

python -m flows.curate PROFILE_JSON_FILE      (`permix curate --profile NAME` does this)
"""

from __future__ import annotations

from dataclasses import dataclass

from prefect import flow

from flows.command import run_as_command
from permix.config import Profile
from permix.curation.rejects import table, text_table
from permix.reference import facts
from tasks.curation import curate_personas, curate_problems
from tasks.stage import StageResult, run_stage
from tasks.tracking import tracked_flow
from tasks.validation import validate


@dataclass(frozen=True)
class Curated:
    """The sets that training and evaluation read."""

    problems: StageResult
    personas: StageResult


@flow(name="curate")
def curate(profile: Profile = Profile()) -> Curated:  # noqa: B008 - frozen, and the UI shows its defaults as a form
    """Problems and personas of the profile into versioned Parquet, checked by Great Expectations."""
    with tracked_flow(profile):
        problems = run_stage(curate_problems, profile.problems, profile.model.base, profile.fan_out)
        personas = run_stage(curate_personas, profile.personas, profile.model.base)
        if profile.problems.difficulty is not None:
            # Here because they import torch (250 MB), which nothing else in this flow needs.
            from tasks.difficulty import keep_band
            from tasks.organism import make_base

            problems = run_stage(keep_band, profile, run_stage(make_base, profile), problems)
        run_stage(validate, problems, personas, profile.problems, profile.personas, profile.model.base)
    return Curated(problems, personas)


def summary(curated: Curated) -> str:
    """What was kept and what was rejected, and where it is, for a terminal."""
    parts = []
    for result in (curated.problems, curated.personas):
        counts = facts(result.reference)["counts"]
        parts.append(f"{result.path}\n{text_table(table(counts))}\n")
    return "\n".join(parts)


if __name__ == "__main__":
    print(summary(run_as_command(curate)))
