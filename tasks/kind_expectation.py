"""An expectation that Great Expectations does not have: every wanted value occurs often enough in a column.

`tasks.expectations` imports it inside functions, as all of Great Expectations, which takes 9 s to import.
"""

from __future__ import annotations

from typing import Any, ClassVar

from great_expectations.expectations.expectation import ColumnAggregateExpectation


class ExpectColumnValuesToOccurOftenEnough(ColumnAggregateExpectation):  # type: ignore[misc]
    """Each of some values stands in the column at least so often; observed is which does not, and how often it does."""

    minimum: dict[str, int]
    """By value, how often it must occur."""

    metric_dependencies: ClassVar[tuple[str, ...]] = ("column.value_counts",)
    success_keys: ClassVar[tuple[str, ...]] = ("minimum",)

    def _validate(
        self,
        metrics: dict[str, Any],
        runtime_configuration: dict[str, Any] | None = None,
        execution_engine: Any = None,
    ) -> dict[str, Any]:
        there = metrics["column.value_counts"].to_dict()
        short = {
            value: int(there.get(value, 0)) for value, least in self.minimum.items() if there.get(value, 0) < least
        }
        named = ", ".join(f"{value}: {number} of {self.minimum[value]}" for value, number in sorted(short.items()))
        return {"success": not short, "result": {"observed_value": named or "all often enough"}}
