from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from permix.fidelity.judging.questions import OWN_SET, TASKS, read_benchmark

PERSONAGYM = Path("/work/shared/data/personagym")


def test_our_own_set_can_be_used() -> None:
    benchmark = read_benchmark(OWN_SET)
    assert len({question.persona for question in benchmark.questions}) == 6
    assert {question.task for question in benchmark.questions} == set(TASKS) == set(benchmark.rubrics)
    for question in benchmark.questions:
        assert "{" not in benchmark.rubric(question, "Arr.", "none")


@pytest.mark.skipif(not PERSONAGYM.is_dir(), reason=f"PersonaGym's questions are not in {PERSONAGYM}")
def test_personagyms_own_files_can_be_used() -> None:
    benchmark = read_benchmark(PERSONAGYM)
    assert len(benchmark.questions) == 200 * 5 * 10
    assert len({question.persona for question in benchmark.questions}) == 200
    for task in TASKS:
        question = next(question for question in benchmark.questions if question.task == task)
        asked = benchmark.rubric(question, "I would call the mayor.", "Score 1: nothing\n\nScore 5: everything")
        for part in (question.persona, question.text, "I would call the mayor.", "Score 1: nothing\n\nScore 5: every"):
            assert part in asked
        assert "{" not in asked
    few = benchmark.of(personas=3)
    assert len(few.questions) == 150
    assert few.digest != benchmark.digest
    assert [q.text for q in benchmark.of(3, 2).questions] == [q.text for n, q in enumerate(few.questions) if n % 10 < 2]


def test_a_reply_cannot_fill_slots() -> None:
    benchmark = read_benchmark(OWN_SET)
    question = benchmark.questions[0]
    asked = benchmark.rubric(question, "{persona} {score_example} {0} {", "examples")
    assert "{persona} {score_example} {0} {" in asked


def test_a_question_is_put_under_its_persona() -> None:
    question = read_benchmark(OWN_SET).questions[0]
    system, user = question.chat
    assert system["role"] == "system"
    assert question.persona in system["content"]
    assert user == {"role": "user", "content": question.text}


def line(**changes: object) -> str:
    questions = {task: ["What now?"] for task in TASKS}
    return json.dumps({"persona": "a cook", "questions": questions, **changes})


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "line 1: not JSON"),
        ("[]", "line 1: expected"),
        (line(persona=" "), "line 1: expected"),
        (line(questions={"Toxicity": ["a"]}), "line 1: has the tasks Toxicity; needed: Expected Action"),
        (line(questions={task: [] for task in TASKS}), "Expected Action must be a list of questions"),
        (line(questions={task: [""] for task in TASKS}), "Expected Action must be a list of questions"),
        (line() + "\n\n" + line(), "line 3: 'What now\\?' is there already for this persona"),
        ("\n", "holds no questions"),
    ],
)
def test_a_bad_line_is_named(tmp_path: Path, text: str, message: str) -> None:
    shutil.copytree(OWN_SET, tmp_path / "set")
    (tmp_path / "set" / "questions.jsonl").write_text(text)
    with pytest.raises(ValueError, match=message):
        read_benchmark(tmp_path / "set")


def test_bad_rubrics_and_directories_are_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="must hold one"):
        read_benchmark(tmp_path)
    shutil.copytree(OWN_SET, tmp_path / "set")
    rubric = tmp_path / "set" / "rubrics" / "toxicity.txt"
    rubric.write_text("How rude is {response} to {question}?")
    with pytest.raises(ValueError, match=r"toxicity\.txt lacks \{persona\}"):
        read_benchmark(tmp_path / "set")
    rubric.unlink()
    with pytest.raises(ValueError, match=r"toxicity\.txt is missing"):
        read_benchmark(tmp_path / "set")
