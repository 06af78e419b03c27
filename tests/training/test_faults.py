"""What a user is told when a training dies; the texts are what torch 2.13, safetensors 0.8 and the kernel say."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from permix.training.faults import find_fault, kernel_kills

DISK, MEMORY, DIVERGED, KILLED = "the disk is full", "memory ran out", "the training diverged", "killed by SIGKILL"


@pytest.mark.parametrize(
    ("code", "printed", "kills", "cause", "setting"),
    [
        (1, "permix.training.callback.Diverged: loss is nan at step 7: set", 0, DIVERGED, "training.learning_rate"),
        (1, "OSError: [Errno 28] No space left on device", 0, DISK, "PERMIX_WORKSPACE"),
        (1, "SafetensorError: I/O error: No space left on device (os error 28)", 0, DISK, "PERMIX_WORKSPACE"),
        (1, "RuntimeError: [enforce fail at inline_container.cc:672] . PytorchStreamWriter failed writing file data/3: "
            "file write failed", 0, DISK, "PERMIX_WORKSPACE"),
        (1, "RuntimeError: [enforce fail at inline_container.cc:672] . unexpected pos 40064 vs 39952",
            0, DISK, "PERMIX_WORKSPACE"),
        (1, "RuntimeError: [enforce fail at alloc_cpu.cpp:127] err == 0. DefaultCPUAllocator: can't allocate memory: "
            "you tried to allocate 99999 bytes. Error code 12 (Cannot allocate memory)", 0, MEMORY, "micro_batch"),
        (1, "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB.", 0, MEMORY, "micro_batch"),
        (1, "MemoryError", 0, MEMORY, "micro_batch"),
        (-signal.SIGKILL, "step 3", 1, MEMORY, "micro_batch"),
        (1, "Signal 9 (SIGKILL) received by PID 71", 1, MEMORY, "micro_batch"),
        # The kernel has killed nobody: it was somebody else.
        (-signal.SIGKILL, "step 3", 0, KILLED, "micro_batch"),
    ],
)  # fmt: skip
def test_the_cause_and_the_setting_are_named(
    tmp_path: Path, code: int, printed: str, kills: int, cause: str, setting: str
) -> None:
    fault = find_fault(code, f"Traceback\n{printed}\n", tmp_path, kills)
    assert fault is not None
    assert cause in fault.cause
    assert setting in fault.remedy


@pytest.mark.parametrize("printed", ["", "ValueError: training.problems_per_step is 500", "KeyError: 'memory'"])
def test_what_is_not_known_has_no_cause(tmp_path: Path, printed: str) -> None:
    assert find_fault(1, printed, tmp_path, kernel_kills=1) is None


def test_the_kernels_kills_are_counted(tmp_path: Path) -> None:
    vmstat = tmp_path / "vmstat"
    vmstat.write_text("numa_hit 5\noom_kill 3\nnr_oom_kill 9\n")
    assert kernel_kills(vmstat) == 3
    assert kernel_kills(tmp_path / "none") == 0
    assert kernel_kills() >= 0
