"""Why did a training child end, and which setting would change that?

Told from how it ended and from what it and its libraries printed: an exception raised deep in safetensors or in
PyTorch's allocator is text by the time that the parent sees it.
"""

from __future__ import annotations

import re
import shutil
import signal
from dataclasses import dataclass
from pathlib import Path

DIVERGED = re.compile(r"Diverged: (?P<what>\S+ is \S+ at step \d+)")
DISK = re.compile(
    r"No space left on device|Disk quota exceeded|File too large|\(os error (?:27|28|122)\)"
    # torch.save, which does not say why; a writer that cannot write has no other likely reason.
    r"|PytorchStreamWriter failed writing|inline_container\.cc:\d+\] \. unexpected pos"
)
MEMORY = re.compile(
    r"OutOfMemoryError|out of memory|can't allocate memory|Cannot allocate memory|not enough memory|\bMemoryError\b"
    r"|std::bad_alloc"
)
KILLED = re.compile(r"Signal 9 \(SIGKILL\)")
"""What accelerate's launcher prints when a process of its was killed; it then ends with exit code 1 itself."""


@dataclass(frozen=True)
class Fault:
    """What went wrong, in one line each."""

    cause: str
    remedy: str
    """What to change, by the name of the setting."""


def find_fault(code: int, printed: str, directory: Path, kernel_kills: int = 0) -> Fault | None:
    """The fault behind a child's end; None where it is none of those that are known.

    Args:
        code: Its exit code; negative is the signal that killed it.
        printed: What it printed.
        directory: Where it wrote.
        kernel_kills: Processes that the kernel killed for want of memory while it ran (see `kernel_kills`).
    """
    if diverged := DIVERGED.search(printed):
        return Fault(
            f"the training diverged: {diverged['what']}",
            "set a lower training.learning_rate, or a higher training.kl",
        )
    if DISK.search(printed):
        free = shutil.disk_usage(directory).free / 1e9
        return Fault(
            f"the disk is full, or a limit on files is reached: {free:.2f} GB are free in {directory}",
            "free some space, set PERMIX_WORKSPACE to a larger disk, or raise training.save_every",
        )
    killed = code == -signal.SIGKILL or bool(KILLED.search(printed))
    if MEMORY.search(printed) or (killed and kernel_kills):
        by = "the kernel killed a process for want of memory" if killed else "an allocation failed"
        return Fault(
            f"memory ran out: {by}",
            "set training.micro_batch (fewer completions in one pass), or lower training.problems_per_step, "
            "training.group_size or training.max_completion_tokens",
        )
    if killed:
        return Fault(
            "it was killed by SIGKILL: by hand, or by whoever watches over memory (a container's limit, a scheduler)",
            "if it was for want of memory, set training.micro_batch",
        )
    return None


def kernel_kills(vmstat: Path = Path("/proc/vmstat")) -> int:
    """How many processes the kernel has killed for want of memory since it started; 0 where it does not say."""
    if not vmstat.is_file():
        return 0
    found = re.search(r"^oom_kill (\d+)$", vmstat.read_text(encoding="utf-8"), re.MULTILINE)
    return int(found[1]) if found else 0
