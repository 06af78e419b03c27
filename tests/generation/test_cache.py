from __future__ import annotations

import signal
import subprocess
import sys
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from permix.generation import Chat, Completion, Sampling
from permix.generation.cache import COMPLETIONS, cached

SAMPLING = Sampling(8, samples=3, seed=1)


def prompt(question: str, persona: str = "You are a pirate.") -> Chat:
    return [{"role": "system", "content": persona}, {"role": "user", "content": question}]


@dataclass
class Writer:
    """Says what it was asked, and remembers it; `mood` makes it answer differently."""

    mood: str = ""
    asked: list[str] = field(default_factory=list)
    calls: int = 0

    def __call__(self, prompts: Sequence[Chat], sampling: Sampling) -> list[list[Completion]]:
        self.calls += 1
        texts = [[f"{p[0]['content']} {p[1]['content']} {n}" for n in sampling.numbers] for p in prompts]
        self.asked += [text for samples in texts for text in samples]
        return [[Completion(self.mood + text, len(text), finished=len(text) % 2 == 0) for text in s] for s in texts]


def test_a_repeated_evaluation_generates_nothing(tmp_path: Path) -> None:
    prompts = [prompt(f"question {n}") for n in range(5)]
    plain = Writer()(prompts, SAMPLING)
    first, second = Writer(), Writer()
    assert cached(first, tmp_path / COMPLETIONS, "m", "t")(prompts, SAMPLING) == plain
    assert len(first.asked) == 15
    assert cached(second, tmp_path / COMPLETIONS, "m", "t")(prompts[::-1], SAMPLING) == plain[::-1]
    assert second.calls == 0


@pytest.mark.parametrize(
    "other",
    [
        {"model": "n"},
        {"template": "u"},
        {"prompts": [prompt("b")]},
        {"prompts": [prompt("a", "You are a poet.")]},
        {"prompts": [[*prompt("a"), {"role": "assistant", "content": "arr"}]]},
        {"sampling": replace(SAMPLING, max_tokens=9)},
        {"sampling": replace(SAMPLING, temperature=0.5)},
        {"sampling": replace(SAMPLING, top_k=1)},
        {"sampling": replace(SAMPLING, top_p=0.5)},
        {"sampling": replace(SAMPLING, seed=2)},
        {"sampling": replace(SAMPLING, first=3)},
    ],
    ids=str,
)
def test_whatever_a_completion_follows_from_is_in_its_key(tmp_path: Path, other: dict[str, Any]) -> None:
    usual = {"model": "m", "template": "t", "prompts": [prompt("a")], "sampling": SAMPLING}

    def generated(model: str, template: str, prompts: list[Chat], sampling: Sampling) -> int:
        writer = Writer()
        cached(writer, tmp_path / COMPLETIONS, model, template)(prompts, sampling)
        return len(writer.asked)

    assert generated(**usual) == 3
    assert generated(**{**usual, **other}) == 3
    assert generated(**usual) == 0


def test_only_samples_that_are_lacking_are_generated(tmp_path: Path) -> None:
    prompts = [prompt("a"), prompt("b")]
    writer = Writer()
    complete = cached(writer, tmp_path / COMPLETIONS, "m", "t")
    complete(prompts[:1], replace(SAMPLING, samples=2))
    writer.asked.clear()
    assert complete(prompts, replace(SAMPLING, samples=4)) == Writer()(prompts, replace(SAMPLING, samples=4))
    assert sorted(text.removeprefix("You are a pirate. ") for text in writer.asked) == [
        "a 2", "a 3", "b 0", "b 1", "b 2", "b 3",
    ]  # fmt: skip


def test_equal_prompts_are_generated_once(tmp_path: Path) -> None:
    writer = Writer()
    one, two = cached(writer, tmp_path / COMPLETIONS, "m", "t")([prompt("a"), prompt("a")], SAMPLING)
    assert one == two
    assert len(writer.asked) == 3


def test_what_was_once_returned_stays(tmp_path: Path) -> None:
    """A server that answers differently each time: the first answer stands, for everyone."""
    slow = threading.Event()

    def late(prompts: Sequence[Chat], sampling: Sampling) -> list[list[Completion]]:
        assert slow.wait(10)
        return Writer("late ")(prompts, sampling)

    file = tmp_path / COMPLETIONS
    found: list[list[list[Completion]]] = []
    thread = threading.Thread(target=lambda: found.append(cached(late, file, "m", "t")([prompt("a")], SAMPLING)))
    thread.start()
    early = cached(Writer("early "), file, "m", "t")([prompt("a")], SAMPLING)
    slow.set()
    thread.join()
    assert found == [early]
    assert early[0][0].text.startswith("early")


def test_a_failure_costs_no_more_than_its_portion(tmp_path: Path) -> None:
    def failing(prompts: Sequence[Chat], sampling: Sampling) -> list[list[Completion]]:
        if any("3" in p[1]["content"] for p in prompts):
            raise RuntimeError("the server is gone")
        return Writer()(prompts, sampling)

    prompts = [prompt(f"question {n}") for n in range(5)]
    heard: list[tuple[int, int]] = []
    file = tmp_path / COMPLETIONS
    with pytest.raises(RuntimeError, match="gone"):
        cached(failing, file, "m", "t", together=3)(prompts, SAMPLING)
    writer = Writer()
    complete = cached(writer, file, "m", "t", together=3, report=lambda *counts: heard.append(counts))
    assert complete(prompts, SAMPLING) == Writer()(prompts, SAMPLING)
    assert len(writer.asked) == 6
    assert heard == [(9, 15), (12, 15), (15, 15)]


def test_a_file_that_is_no_cache_is_refused(tmp_path: Path) -> None:
    file = tmp_path / COMPLETIONS
    file.write_text("not a database, and long enough to be read as one" * 20)
    with pytest.raises(ValueError, match=r"completions\.sqlite cannot be used"):
        cached(Writer(), file, "m", "t")([prompt("a")], SAMPLING)


SLOW = """
import sys, time
from pathlib import Path
from permix.generation import Completion, Sampling
from permix.generation.cache import cached

def generate(prompts, sampling):
    time.sleep(0.05)
    print("portion", flush=True)
    return [[Completion(f"{p[0]['content']} {n}", 1, True) for n in sampling.numbers] for p in prompts]

prompts = [[{"role": "user", "content": f"question {n}"}] for n in range(200)]
cached(generate, Path(sys.argv[1]), "m", "t", together=4)(prompts, Sampling(8, samples=2))
"""


def test_a_killed_evaluation_goes_on_where_it_was(tmp_path: Path) -> None:
    file = tmp_path / COMPLETIONS
    child = subprocess.Popen([sys.executable, "-c", SLOW, str(file)], stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    with child.stdout:
        begun = [child.stdout.readline() for _ in range(5)]
        child.send_signal(signal.SIGKILL)
        begun += child.stdout.readlines()
    assert child.wait() == -signal.SIGKILL
    asked = 0

    def generate(prompts: Sequence[Chat], sampling: Sampling) -> list[list[Completion]]:
        nonlocal asked
        asked += len(prompts) * sampling.samples
        return [[Completion(f"{p[0]['content']} {n}", 1, True) for n in sampling.numbers] for p in prompts]

    prompts: list[Chat] = [[{"role": "user", "content": f"question {n}"}] for n in range(200)]
    sampling = Sampling(8, samples=2)
    whole = generate(prompts, sampling)
    asked = 0
    assert cached(generate, file, "m", "t", together=4)(prompts, sampling) == whole
    # Of what was begun, the last portion at most was lost.
    assert 400 - 4 * len(begun) <= asked <= 400 - 4 * (len(begun) - 1)
