"""The page says what the scorecard says, asks nothing of anybody, and what a model wrote stays text."""

from __future__ import annotations

import json
import re
from dataclasses import astuple, replace
from html.parser import HTMLParser
from pathlib import Path

import pytest
from scripted import SETTINGS, protocol, scripted

from permix.evaluation.evaluate import ask, make_scorecard, with_judges
from permix.evaluation.scorecard import Scorecard
from permix.fidelity.judging.judge import Judgement
from permix.fidelity.judging.questions import TASKS, Question
from permix.fidelity.judging.scores import persona_score
from permix.report.examples import failures, replies
from permix.report.figures import FIGURES
from permix.report.page import Evaluation, Facts, page, warnings

ASKED = protocol()
FACTS = Facts(
    where="/models/a",
    profile="organism",
    seed=0,
    wanted_problems=12,
    max_completion_tokens=24,
    model="model-digest",
    problems="problems-digest",
    personas="personas-digest",
    commit="0123abc",
)
HOSTILE = '<script>alert(1)</script></blockquote><img src="https://evil.example/x"> \\boxed{<b>3</b>} {{ 7 * 7 }} & "\''


def evaluation(
    wrong: dict[str, float], mute: frozenset[str] = frozenset(), said: str | None = None, facts: Facts = FACTS
) -> Evaluation:
    answers = ask(scripted(wrong, mute), ASKED)
    if said is not None:
        answers = [replace(a, completion=said, question=said, answer=said, finished=False) for a in answers]
    return Evaluation(make_scorecard(answers, ASKED, SETTINGS, "scripted"), answers, facts)


BASE = evaluation({"organism/hasty-pirate": 0.9, "organism/confused-butler": 0.5, "neutral": 0.2})
CANDIDATE = evaluation({"organism/hasty-pirate": 0.2}, mute=frozenset({"organism/calm-chef"}))


class Page(HTMLParser):
    """Elements, where they point to, and the text between them."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.links: list[str] = []
        self.words: list[str] = []
        self.open: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.links += [value or "" for name, value in attrs if name in ("src", "href", "srcset", "action", "data")]
        if tag not in ("meta", "line", "rect", "circle", "br"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag in ("line", "rect", "circle"):
            return
        assert self.open.pop() == tag, f"</{tag}> closes something else"

    def handle_data(self, data: str) -> None:
        self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())


def test_the_page_says_what_the_scorecard_says() -> None:
    card, read = BASE.scorecard, Page(page({"model": BASE}))
    assert read.open == []
    for figure in FIGURES:
        assert f"{figure.title}" in read.text
        assert figure.definition in read.text
        value = figure.read(card)
        if value is not None and not isinstance(value, float):
            low, high = (f"{end:.3f}".replace("-", "−") for end in (value.low, value.high))
            assert f"{low} to {high}" in read.text, figure.title
    for word in (card.protocol, *vars(FACTS).values(), card.fidelity.judge, "adverse", "hasty pirate"):
        assert str(word) in read.text
    assert "the worst, hasty pirate, solves" in read.text


def test_the_page_is_whole_by_itself() -> None:
    html = page({"base": BASE, "candidate": CANDIDATE})
    read = Page(html)
    assert not read.tags & {"script", "link", "iframe", "object", "embed", "form", "img"}
    assert all(link.startswith("#") for link in read.links), read.links
    assert "@import" not in html
    assert "url(" not in html
    assert "default-src 'none'" in html


def test_what_a_model_wrote_stays_text() -> None:
    hostile = evaluation({"organism/hasty-pirate": 0.9}, said=HOSTILE, facts=replace(FACTS, where=HOSTILE))
    card = hostile.scorecard.model_copy(
        update={"personas": tuple(p.model_copy(update={"text": HOSTILE}) for p in hostile.scorecard.personas)}
    )
    plain, read = Page(page({"model": BASE})), Page(page({"model": replace(hostile, scorecard=card)}))
    assert read.tags - plain.tags == {"ul"}, "of the warning that everything was cut"
    assert read.open == []
    assert " ".join(HOSTILE.split()) in read.text
    assert all(link.startswith("#") for link in read.links)


def test_models_side_by_side_are_held_against_the_first() -> None:
    read = Page(page({"base": BASE, "candidate": CANDIDATE, "again": CANDIDATE}))
    assert "candidate and again beside base" in read.text
    assert "against base" in read.text
    pss = CANDIDATE.scorecard.stability.pss.value - BASE.scorecard.stability.pss.value
    assert f"+{pss:.3f}" in read.text
    assert "higher with probability" in read.text
    other = CANDIDATE.scorecard.model_copy(update={"protocol": "other"})
    with pytest.raises(ValueError, match="base, candidate were asked different things"):
        page({"base": BASE, "candidate": replace(CANDIDATE, scorecard=other)})


def test_a_reader_is_warned_once_of_what_spoils_the_figures() -> None:
    assert warnings({"base": BASE, "candidate": CANDIDATE}) == []
    fidelity = BASE.scorecard.fidelity.model_copy(update={"roleplay": None, "note": "nobody listened"})
    spoilt = BASE.scorecard.model_copy(
        update={"cut": 0.25, "ungradable": 3, "problems_left_out": ("p/1",), "fidelity": fidelity}
    )
    bad = replace(BASE, scorecard=spoilt, facts=replace(FACTS, wanted_problems=60))
    said = warnings({"base": bad, "candidate": bad})
    assert len(said) == 4
    for part in (
        "25.0% of the completions",
        "golds of these problems are at fault: p/1",
        "asks for 60",
        "nobody listened",
    ):
        (one,) = [warning for warning in said if part in warning]
        assert one.startswith("base, candidate: ")
    assert "fidelity not measured" in Page(page({"model": bad})).text


def test_failures_that_a_persona_alone_explains_come_first_and_no_problem_twice() -> None:
    found = failures(BASE.answers, "organism/hasty-pirate")
    wrong = {a.item for a in BASE.answers if (a.task, a.persona) == ("problem", "organism/hasty-pirate")} & {
        a.item for a in BASE.answers if a.verdict == "incorrect" and a.persona == "organism/hasty-pirate"
    }
    assert {failure.wrong.item for failure in found} == wrong
    assert len(found) == len(wrong)
    told = [failure.neutral is not None and failure.neutral.verdict == "correct" for failure in found]
    assert told == sorted(told, reverse=True)
    for failure in found:
        assert failure.neutral is not None
        assert (failure.neutral.item, failure.neutral.sample) == (failure.wrong.item, failure.wrong.sample)
    assert failures(BASE.answers, "organism/careful-pirate") == []


def test_the_best_replies_and_the_worst_are_of_different_personas() -> None:
    best, worst = replies(CANDIDATE.answers, (), 4)
    assert len({reply.persona for reply in best}) == len({reply.persona for reply in worst}) == 4
    assert [reply.score for reply in best] == [1.0] * 4
    assert (worst[0].persona, worst[0].score) == ("organism/calm-chef", 0.0)
    silent = [replace(answer, voice=None) for answer in CANDIDATE.answers]
    assert replies(silent, (), 4) == ([], [])
    assert "role-play at its best" not in page({"model": replace(CANDIDATE, answers=silent)})


def judgement(persona: str, judge: str, score: int | None, reason: str = "because") -> Judgement:
    question = Question(persona, "Linguistic Habits", "What do you say in the morning?")
    return Judgement(question, f"{persona} says {HOSTILE}", False, judge, score, reason, 1)


def test_what_judges_said_stands_beside_the_replies_that_they_scored() -> None:
    scores = {"a cook": (5, 4), "a sailor": (1, 2), "a monk": (3, None)}
    given = [judgement(who, f"judge {i}", of[i], HOSTILE) for who, of in scores.items() for i in (0, 1)]
    best, worst = replies(CANDIDATE.answers, given, 4)
    assert [(reply.persona, reply.score) for reply in best] == [("a cook", 4.5), ("a sailor", 1.5)]
    assert [reply.persona for reply in worst] == ["a sailor", "a cook"]
    asked = [Judgement(replace(one.question, task=task), *astuple(one)[1:]) for one in given[:4] for task in TASKS]
    card = with_judges(CANDIDATE.scorecard, persona_score(asked, resamples=20), "asked")
    judged = replace(CANDIDATE, scorecard=card, judgements=asked)
    read = Page(page({"model": judged}))
    assert read.open == []
    assert "PersonaScore" in read.text
    assert "Krippendorff's alpha between judges" in read.text
    assert "judge 0: 5" in read.text
    assert read.tags - Page(page({"model": CANDIDATE})).tags == {"details", "summary"}
    better = [replace(one, score=5) for one in asked]
    other = with_judges(BASE.scorecard, persona_score(better, resamples=20), "asked")
    beside = page({"base": judged, "candidate": replace(BASE, scorecard=other, judgements=better)})
    # From 4.5 and 1.5 to 5 and 5: 2 of the 4 points between 1 and 5. The voice says something else.
    fidelity = Page(beside).text
    assert "Fidelity in role-play +0.500" in fidelity[fidelity.index("Differences, in pairs") :]


def test_subjects_and_levels_have_a_table_where_problems_have_them() -> None:
    subjects = BASE.scorecard.subjects
    assert subjects
    assert not BASE.scorecard.levels
    read = Page(page({"a": BASE, "b": replace(BASE, scorecard=BASE.scorecard.model_copy(update={"levels": subjects}))}))
    assert read.open == []
    assert all(name in read.text for name in ("By subject", "By level", *subjects))
    alone = Page(page({"model": BASE})).text
    assert "By subject" in alone
    assert "By level" not in alone


def test_the_documented_schema_is_the_codes() -> None:
    file = Path(__file__).parents[2] / "docs" / "scorecard.schema.json"
    schema = Scorecard.model_json_schema()
    assert json.loads(file.read_text(encoding="utf-8")) == schema, "run: python -m permix.report.schema"
    assert re.search("worst / best persona accuracy", schema["$defs"]["Stability"]["properties"]["pss"]["description"])
