"""Replies in character, and what judges make of them: PersonaGym's protocol.

Judges are any `Generate`, several of them, at temperature 0. A reply of a judge that holds no score is asked for it
again in the same conversation; what still holds none is counted and never scored. A judge that fails raises: an error
never becomes a score. Wrapped in `permix.generation.cache.cached`, models and judges go on where they were.

Unlike PersonaGym's released code, a judge sees one reply at a time, not five, so that no reply is judged by its
neighbours; and the examples of scores reach it whole.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from permix.fidelity.judging.questions import Benchmark, Question, fill
from permix.fidelity.judging.reply import read_score
from permix.generation.completion import Chat, Completion, Generate, Sampling

ANSWERING = Sampling(max_tokens=1024, temperature=0.9, top_p=0.9)
"""PersonaGym's temperature and top_p."""
JUDGING = Sampling(max_tokens=1024, temperature=0.0)
NO_EXAMPLES = "(There are none. Go by the criteria above.)"
ASK_AGAIN = 'End with one sentence, "Therefore, the final score is N.", where N is a whole number from 1 to 5.'
EXAMPLES = """Here are a persona, a question that it is asked, and the rubric by which answers are scored.

Persona: {persona}

Question: {question}

Rubric: {rubric}

Write five example answers by the persona, one for each score, and nothing else, in this form:

Score 1: ...

Score 2: ...

Score 3: ...

Score 4: ...

Score 5: ..."""


@dataclass(frozen=True)
class Judgement:
    """One judge's score of one reply."""

    question: Question
    reply: str
    """What the model said in character."""
    cut: bool
    """Whether that reached the token limit unfinished."""
    judge: str
    score: int | None
    """1 to 5; None where nothing that the judge said could be read as a score."""
    reason: str
    """What the judge said last."""
    asked: int
    """How often the judge was asked."""


def play(generate: Generate, benchmark: Benchmark, sampling: Sampling = ANSWERING) -> list[Completion]:
    """A model's reply to each question, in character."""
    one = replace(sampling, samples=1)
    return [reply for (reply,) in generate([question.chat for question in benchmark.questions], one)]


def write_examples(generate: Generate, benchmark: Benchmark, sampling: Sampling = JUDGING) -> list[str]:
    """Example replies for each score of each question, by a model, as PersonaGym has them.

    Raises ValueError naming the question where the model did not write all five.
    """
    chats: list[Chat] = []
    for question in benchmark.questions:
        rubric = benchmark.rubric(question, "(the answer)", "(your five examples)")
        values = {"persona": question.persona, "question": question.text, "rubric": rubric}
        chats.append([{"role": "user", "content": fill(EXAMPLES, values)}])
    written = [text for (text,) in generate(chats, replace(sampling, samples=1))]
    for question, completion in zip(benchmark.questions, written, strict=True):
        if [int(score) for score in re.findall(r"^\W*Score (\d)\W*:", completion.text, re.M)] != [1, 2, 3, 4, 5]:
            raise ValueError(
                f"the examples for {question.text!r} are not five, Score 1 to Score 5; take another model to write "
                f"them, or judge without examples: {completion.text[:200]!r}"
            )
    return [completion.text for completion in written]


def judge(
    judges: Mapping[str, Generate],
    benchmark: Benchmark,
    replies: Sequence[Completion],
    examples: Sequence[str] | None = None,
    sampling: Sampling = JUDGING,
    retries: int = 2,
) -> list[Judgement]:
    """Every judge's score of every reply: all of the first judge, then of the second.

    `judges` by the name that reports give them; `examples` as of `write_examples`, None for none. Raises ValueError
    where there is no judge, or not one reply a question.
    """
    if not judges:
        raise ValueError("there is no judge")
    given = [NO_EXAMPLES] * len(replies) if examples is None else examples
    asked = [
        benchmark.rubric(question, reply.text, example)
        for question, reply, example in zip(benchmark.questions, replies, given, strict=True)
    ]
    return [
        Judgement(question, reply.text, not reply.finished, name, score, said, times)
        for name, generate in judges.items()
        for question, reply, (score, said, times) in zip(
            benchmark.questions, replies, _scores(generate, asked, replace(sampling, samples=1), retries), strict=True
        )
    ]


def _scores(
    generate: Generate, rubrics: Sequence[str], sampling: Sampling, retries: int
) -> list[tuple[int | None, str, int]]:
    """For each rubric the score, what the judge said last, and how often it was asked."""
    chats: list[list[dict[str, str]]] = [[{"role": "user", "content": rubric}] for rubric in rubrics]
    found: list[tuple[int | None, str, int]] = [(None, "", 0)] * len(rubrics)
    waiting = list(range(len(rubrics)))
    for times in range(1, retries + 2):
        said = [reply for (reply,) in generate([chats[row] for row in waiting], sampling)] if waiting else []
        for row, reply in zip(waiting, said, strict=True):
            # A reply that was cut ends anywhere, on the number of a list as well.
            found[row] = (read_score(reply.text) if reply.finished else None, reply.text, times)
            chats[row] = [
                *chats[row],
                {"role": "assistant", "content": reply.text},
                {"role": "user", "content": ASK_AGAIN},
            ]
        waiting = [row for row in waiting if found[row][0] is None]
    return found
