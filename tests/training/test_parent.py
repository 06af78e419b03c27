from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from permix.training.parent import PARENT, end_with_parent, only_one, parent_environment

HOLD = "import sys, time; from pathlib import Path; from permix.training.parent import only_one\n"
HOLD += "with only_one(Path(sys.argv[1])): print('held', flush=True); time.sleep(60)"


def test_one_training_at_a_time_in_a_directory(tmp_path: Path) -> None:
    lock = tmp_path / "training" / "lock"
    holder = subprocess.Popen([sys.executable, "-c", HOLD, str(lock)], stdout=subprocess.PIPE)
    try:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        with (
            pytest.raises(RuntimeError, match=rf"process {holder.pid} is training in .*: wait for it"),
            only_one(lock, 0.5),
        ):
            pass
    finally:
        holder.kill()
        holder.wait()
    # A killed holder holds nothing.
    with only_one(lock, 0.5):
        pass


def test_a_process_started_by_hand_watches_nobody() -> None:
    before = threading.active_count()
    end_with_parent({})
    assert threading.active_count() == before


def test_a_process_watches_the_parent_it_was_given() -> None:
    pid, created = parent_environment()[PARENT].split(":")
    gone = {PARENT: f"{pid}:{float(created) - 1}"}  # another process that had this id a second earlier
    code = "import time; from permix.training.parent import end_with_parent; end_with_parent(); time.sleep(20)"
    child = subprocess.Popen([sys.executable, "-c", code], env={**os.environ, **gone}, start_new_session=True)
    assert child.wait(timeout=10) == -signal.SIGKILL
