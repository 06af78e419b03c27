"""One stack of servers and a worker for all tests of operations."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from stack import Running, stack


@pytest.fixture(scope="session")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with stack(tmp_path_factory.mktemp("operations") / "workspace") as up:
        yield up
