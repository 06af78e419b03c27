"""Isolation: deadlines, memory, killed workers, dying parents; from threads, forks and scripts without a guard."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from permix.verifier import verify
from permix.verifier.workers import WorkerError, Workers

ROOT = Path(__file__).resolve().parents[2]

PROVABLE = (r"\sqrt{2}+\sqrt{3}", r"\sqrt{5+2\sqrt{6}}")
DIFFERENT = (r"\cos 1 + 10^{-20}", r"\cos 1")
"""Equal as far as floating point sees; SymPy tells them apart."""
_SUM = "a+b+c+d+f+g"
_SQUARE = "a^2+b^2+c^2+d^2+f^2+g^2+2(" + "+".join(
    x + y for i, x in enumerate("abcdfg") for y in "abcdfg"[i + 1 :]
) + ")"  # fmt: skip
ENDLESS = (f"({_SUM})^{{40}}", f"({_SQUARE})^{{20}}")
"""Equal, but only expanding over a million terms would show it."""


@pytest.fixture
def workers() -> Iterator[Workers]:
    pool = Workers(count=2, cpu_s=1.0, wall_s=30.0)
    yield pool
    pool.close()


def children(pool: Workers) -> list[psutil.Process]:
    return [psutil.Process(worker.process.pid) for worker in pool.alive]


def gone(process: psutil.Process, within_s: float) -> bool:
    try:
        process.wait(within_s)
    except psutil.TimeoutExpired:
        return False
    return True


def test_algebra_is_settled_in_a_worker(workers: Workers) -> None:
    assert [tuple(ruling) for ruling in workers.rule([PROVABLE, DIFFERENT])] == [
        ("correct", "equal"),
        ("incorrect", "different"),
    ]


def test_a_pair_that_takes_for_ever_times_out_and_costs_only_itself(workers: Workers) -> None:
    started = time.monotonic()
    rulings = workers.rule([PROVABLE, ENDLESS, PROVABLE, ENDLESS, PROVABLE])
    assert [ruling.reason for ruling in rulings] == ["equal", "timed out", "equal", "timed out", "equal"]
    assert {ruling.verdict for ruling in rulings} == {"correct", "incorrect"}
    assert time.monotonic() - started < 30


def test_a_pair_that_eats_memory_is_out_of_memory() -> None:
    # SymPy and Python take some 70 MiB; the expansion wants hundreds more.
    pool = Workers(count=1, cpu_s=60.0, wall_s=60.0, memory_mib=150)
    try:
        rulings = pool.rule([ENDLESS, PROVABLE])
    finally:
        pool.close()
    assert [ruling.reason for ruling in rulings] == ["out of memory", "equal"]


def test_a_killed_worker_is_replaced(workers: Workers) -> None:
    workers.rule([PROVABLE])
    (victim,) = children(workers)
    victim.kill()
    victim.wait(10)
    assert workers.rule([PROVABLE])[0].reason == "equal"
    assert [process.pid for process in children(workers)] != [victim.pid]


def test_a_worker_killed_at_work_costs_only_its_own_item() -> None:
    pool = Workers(count=1, cpu_s=60.0, wall_s=60.0)
    rulings = []
    thread = threading.Thread(target=lambda: rulings.extend(pool.rule([ENDLESS, PROVABLE])))
    thread.start()
    while not (busy := [process for process in children(pool) if process.cpu_times().user > 1.0]):
        time.sleep(0.05)
    busy[0].kill()
    thread.join(60)
    pool.close()
    assert [ruling.reason for ruling in rulings] == ["crashed", "equal"]


def test_closing_ends_all_workers() -> None:
    pool = Workers(count=2)
    pool.rule([PROVABLE, DIFFERENT])
    processes = children(pool)
    assert processes
    pool.close()
    assert all(gone(process, 10) for process in processes)


def test_any_thread_may_ask() -> None:
    """As a Prefect task does; SIGALRM, which others rely on, is the main thread's alone."""
    verdicts: list[str] = []

    def ask(number: int) -> None:
        (verdict,) = verify([f"\\boxed{{\\sin {number} + \\sqrt{{5+2\\sqrt6}}}}"], [f"\\sin {number}+\\sqrt2+\\sqrt3"])
        verdicts.append(verdict.verdict)

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(1, 9)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    assert verdicts == ["correct"] * 8


def test_a_worker_that_cannot_start_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/bin/false")
    pool = Workers(count=1)
    with pytest.raises(WorkerError, match="did not start"):
        pool.rule([PROVABLE])


def script(text: str, *arguments: str, tmp_path: Path) -> subprocess.CompletedProcess[str]:
    path = tmp_path / "script.py"
    path.write_text(textwrap.dedent(text), encoding="utf-8")
    return subprocess.run(
        [sys.executable, str(path), *arguments],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_a_script_without_a_main_guard_runs_once(tmp_path: Path) -> None:
    done = script(
        r"""
        from permix.verifier import verify
        print("a training starts")
        print(verify([r"\boxed{\sqrt{5+2\sqrt{6}}}"], [r"\sqrt{2}+\sqrt{3}"])[0].verdict)
        """,
        tmp_path=tmp_path,
    )
    assert done.stdout.splitlines() == ["a training starts", "correct"], done.stderr


def test_common_answers_start_no_process_and_import_no_sympy(tmp_path: Path) -> None:
    done = script(
        r"""
        import sys, psutil
        from permix.verifier import verify
        golds = ["7", "-3", r"\frac{3}{2}", r"2\sqrt{3}", r"(3,\frac{\pi}{2})", r"\text{(C)}", "x^3+3x-6", r"(3,4]"]
        verdicts = verify([f"arr \\boxed{{ {gold} }} matey !" for gold in golds] * 2, golds + golds[::-1])
        print(sum(verdict.reward for verdict in verdicts))
        print(psutil.Process().children(), [name for name in ("sympy", "torch", "math_verify") if name in sys.modules])
        """,
        tmp_path=tmp_path,
    )
    assert done.stdout.splitlines() == ["8.0", "[] []"], done.stderr


def test_a_forked_child_has_workers_of_its_own(tmp_path: Path) -> None:
    done = script(
        r"""
        import os
        from permix.verifier import verify
        def ask(number):
            answer, gold = rf"\boxed{{\sin {number} + \sqrt{{5+2\sqrt6}}}}", rf"\sin {number}+\sqrt2+\sqrt3"
            return verify([answer], [gold])[0].verdict
        print("parent", ask(1), flush=True)
        child = os.fork()
        if child == 0:
            print("child", ask(2), flush=True)
            os._exit(0)
        os.waitpid(child, 0)
        print("parent", ask(3), flush=True)
        """,
        tmp_path=tmp_path,
    )
    assert done.stdout.splitlines() == ["parent correct", "child correct", "parent correct"], done.stderr


@pytest.mark.parametrize("busy", [False, True], ids=["idle", "at work"])
def test_workers_end_when_the_parent_is_killed(busy: bool, tmp_path: Path) -> None:
    path = tmp_path / "parent.py"
    path.write_text(
        textwrap.dedent(
            """
            import sys, threading, time
            from permix.verifier.workers import WorkerError, Workers
            pool = Workers(count=1, cpu_s=4.0, wall_s=8.0)
            pool.rule([("1", "1")])
            print(*(worker.process.pid for worker in pool.alive), flush=True)
            if sys.argv[1] == "busy":
                pool.rule([(sys.argv[2], sys.argv[3])])
            time.sleep(60)
            """
        ),
        encoding="utf-8",
    )
    parent = subprocess.Popen(
        [sys.executable, str(path), "busy" if busy else "idle", *ENDLESS],
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert parent.stdout is not None
    worker = psutil.Process(int(parent.stdout.readline()))
    if busy:
        while worker.cpu_times().user < 1.5:
            time.sleep(0.05)
    parent.send_signal(signal.SIGKILL)
    parent.wait(10)
    parent.stdout.close()
    assert gone(worker, 12)
