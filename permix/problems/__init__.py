"""Verifiable problems: sources, curation, contamination."""

from permix.problems.schema import Problem, Split
from permix.problems.store import load_problems, save_problems

__all__ = ["Problem", "Split", "load_problems", "save_problems"]
