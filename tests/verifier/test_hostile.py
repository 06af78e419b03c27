"""Hostile completions: no hang, no crash, nothing run, no false `correct`."""

from __future__ import annotations

import inspect
import random
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from permix.verifier import verify
from permix.verifier.lexer import words

# Golds that nothing below can say by chance.
GOLDS = [
    "7310583",
    r"\frac{7310583}{1000003}",
    r"7310583\sqrt{37}",
    r"(7310583,-41)",
    r"(-\infty,7310583]",
    r"\{7310583,-41\}",
    r"\begin{pmatrix} 7310583 \\ -41 \end{pmatrix}",
    r"7310583x^3-41y",
    r"\sin 7310583^\circ",
    r"\text{Persephone}",
    r"7310583_9",
    r"7310583\text{ cm}^2",
    "y=7310583x-41",
]

SOUP = sorted(words(
    r"\frac \sqrt \left( \right) ( ) [ ] { } \{ \} ^ _ , ; : ! % \% \$ $ & \\ + - * / = < > \le \in \cup \setminus \pm "
    r"\mp \infty \pi e i x y n 0 1 2 3 9 99 0.5 .25 1,000 \text{or} \text{cm} \text{ \sin \cos \log \ln \exp \binom "
    r"\sum_{k=1}^{9} \prod \int \lim \begin{pmatrix} \end{pmatrix} \begin{array}{c} \end{array} \overline \mathbb{R} | "
    r"\lfloor \rfloor \boxed{ \circ ^\circ ' \ldots _{10} _2 or and apples \mathrm{e} \operatorname{lcm} \\[4pt] ~ \, "
))  # fmt: skip
CHARACTERS = "²³½٣７Ⅷ∑∫√πеｅ\u202e\u0000\ud800😀𝟕−–×÷·≤≥∞∪°′″„“«\u200b\ufeff\x1b\x7f"
CODE = [
    "__import__('os').system('touch {path}')",
    "eval(compile(open('{path}','w'),'','exec'))",
    "().__class__.__bases__[0].__subclasses__()",
    "exec(\"open('{path}','w')\")",
    "lambda: open('{path}','w')",
    "$(touch {path})",
    "`touch {path}`",
    "\\input{{/etc/passwd}}",
    "\\write18{{touch {path}}}",
    "\\def\\x{{\\x\\x}}\\x",
    "{{{{7*7}}}}",
    "'; DROP TABLE golds; --",
    "Symbol('x').subs(Symbol('x'), open('{path}','w'))",
    "Integer(7310582)+1",
    "sympify('7310583')",
]


def nested(draw: random.Random) -> str:
    opening, closing = draw.choice(
        [("{", "}"), ("(", ")"), (r"\frac{1}{1+", "}"), (r"\sqrt{1+", "}"), (r"\left(", r"\right)"), (r"\text{", "}"),
         (r"\{", r"\}"), ("|", "|"), ("2^{", "}"), (r"\sin(", ")"), ("-(", ")"), (r"\begin{pmatrix}", r"\end{pmatrix}")]
    )  # fmt: skip
    depth = draw.choice([2, 10, 29, 31, 60, 150, 500])
    return opening * depth + draw.choice(["1", "x", "", r"\pi"]) + closing * draw.choice([depth, depth, depth - 1])


def tower(draw: random.Random) -> str:
    base = draw.choice(["9", "x", "(1+x)", r"\pi", "1.5", "i", "e", r"\sqrt2", "0", "(-1)", "1000003"])
    return "^{".join([base, *draw.choices(["9", "99", "x", "-9", "1/2", "n", "0.5"], k=draw.randint(1, 9))]) + "}" * 9


HUGE = [
    r"{}!", r"{}!!", r"({}!)!", r"\sum_{{k=1}}^{{{}}} k", r"\sum_{{k=1}}^{{\infty}} \frac{{1}}{{k^{}}}", "x^{{{}}}",
    r"\prod_{{k=1}}^{{{}}} k!", r"\binom{{{0}}}{{{0}}}", "{}", "{0}+{0}x", "{0}/{0}", r"\sqrt{{{}}}", "(x+y+z)^{{{}}}",
    r"\sin({})", r"\ln({}!)", r"\sum_{{a=1}}^{{999}}\sum_{{b=1}}^{{999}}\sum_{{c=1}}^{{999}} abc", r"{}\%", "1e{}",
    r"\sqrt[{}]{{2}}", "{0}^{{{0}}}", "{}_9", r"1.\overline{{{}}}", r"\lfloor \pi^{{{}}} \rfloor",
]  # fmt: skip


def huge(draw: random.Random) -> str:
    number = draw.choice(["9" * 1_900, "99999", "10^{10^{9}}", "3000", "2004"])
    return draw.choice(HUGE).format(number)


def polynomial(draw: random.Random) -> str:
    names = "abcdfgxyz"[: draw.randint(1, 9)]
    factors = [f"({'+'.join(names)}+{draw.randint(1, 9)})^{{{draw.randint(1, 40)}}}" for _ in range(draw.randint(1, 6))]
    return draw.choice(["", "-", r"\frac{1}{2}"]) + draw.choice(["", "+", "/"]).join(factors)


def long_list(draw: random.Random) -> str:
    items = [str(draw.randint(-99, 99)) for _ in range(draw.choice([3, 50, 300, 600]))]
    opening, closing = draw.choice([("", ""), (r"\{", r"\}"), ("(", ")"), (r"\pm 1 \pm ", r"\pm 2")])
    return opening + draw.choice([",", r"\cup", " or ", r"\pm", r"\\", "&"]).join(items) + closing


def chained(draw: random.Random) -> str:
    """One or two operators over and over, with and without operands."""
    signs = draw.choices([sign for sign in SOUP if not sign.isalnum()], k=draw.randint(1, 2))
    operand = draw.choice(["", "7", "x", "(1,2)", "{2}", r"\sqrt2"])
    return operand + "".join(draw.choice(signs) + operand for _ in range(draw.choice([5, 40, 200, 600])))


def soup(draw: random.Random) -> str:
    return draw.choice(["", " "]).join(draw.choices(SOUP, k=draw.randint(1, 40)))


def unicode_text(draw: random.Random) -> str:
    return "".join(draw.choices(CHARACTERS + "127x+{}", k=draw.randint(1, 60)))


def any_character(draw: random.Random) -> str:
    return "".join(chr(draw.randrange(sys.maxunicode + 1)) for _ in range(draw.randint(1, 40)))


def code(draw: random.Random, path: str) -> str:
    return draw.choice(CODE).format(path=path)


HEDGES = [
    "{} or 1", "1, {}", r"\{{1,{}\}}", "{}+1", "not {}", r"1 \text{{ or }} {}", r"{}\pm 1", "{0} {0}", "-{}", "{}.5",
    r"{}\text{{ or maybe not}}", "0{}.1", "[{},2]", r"\frac{{{}}}{{2}}",
]  # fmt: skip


def hedged(draw: random.Random) -> str:
    return draw.choice(HEDGES).format(draw.choice(GOLDS[:2]))


def wrapped(draw: random.Random, answer: str) -> str:
    """The answer in a completion; some without a box, some with many."""
    return draw.choice(
        ["so \\boxed{{{0}}} it be", "\\boxed{{{0}}}", "\\boxed{{" * 50 + "{0}", "}}}}{{{{\\boxed{{{0}}}", "{0}",
         "\\boxed{{1}} \\boxed{{{0}}}", "$$\\boxed{{{0}}}$$", "\\boxed{{{0}"]
    ).format(answer)  # fmt: skip


def hostile(draw: random.Random, path: str) -> str:
    kinds: list[Callable[[random.Random], str]] = [
        nested, tower, huge, polynomial, long_list, chained, soup, soup, soup, unicode_text, any_character, hedged,
        lambda draw: code(draw, path),
    ]  # fmt: skip
    return wrapped(draw, draw.choice(kinds)(draw))


DEEP = [
    "7" + "!" * 590, "x" + "!" * 590, "/".join("x" * 299), r"\pm".join("1" * 299), r"\cup".join(["(1,2)"] * 80),
    r"\setminus".join([r"\{1\}"] * 80), "x" + "'" * 500, "x" + "^2" * 290, "-" * 590 + "7", "=".join("1" * 299),
    "<".join("1" * 299), ":".join("1" * 299), "**".join("x" * 200), "x" + "^{2}" * 140, r"\sin" * 500 + "x",
    r"\sqrt" * 500 + "x", r"\frac" * 300 + "12", "7" + r"^\circ" * 200, "7" + r"\text{ cm}" * 180,
    "|" * 300 + "7" + "|" * 300, r"\log_" * 200 + "2", "e^" * 290 + "x", r"\sum_{k=1}^{9}" * 60 + "k",
    " or ".join("7" * 250), r"\mathbb" * 500 + "R", r"{1\over" * 100 + "1" + "}" * 100,
    "f(" * 29 + "x/x/x!!!" + ")" * 29,
]  # fmt: skip
"""Deep without a bracket, or by every other way that the grammar has to nest."""


@pytest.mark.parametrize("text", DEEP, ids=lambda text: f"{text[:9]}…{len(text)}")
def test_depth_by_any_way_is_bounded(text: str) -> None:
    verdicts = verify([f"\\boxed{{{text}}}"] * len(GOLDS) + [r"\boxed{7}"], [*GOLDS, text])
    assert [verdict.verdict for verdict in verdicts[:-1]] == ["incorrect"] * len(GOLDS)
    assert verdicts[-1].verdict in {"incorrect", "ungradable"}


def test_a_caller_at_the_end_of_its_stack_gets_a_verdict() -> None:
    def deeper(levels: int) -> str:
        if levels:
            return deeper(levels - 1)
        return verify([r"\boxed{\frac{\sqrt{2+\frac{1}{x^{2}+1}}}{1+\sqrt{3}}}"], [r"\frac{1}{x^{2}+1}"])[0].verdict

    depth = len(inspect.stack())
    verdicts = {deeper(sys.getrecursionlimit() - depth - room) for room in (60, 80, 120)}
    assert verdicts == {"incorrect"}


def assert_harmless(count: int, seed: int, tmp_path: Path) -> None:
    draw = random.Random(seed)
    bait = tmp_path / "run"
    completions = [hostile(draw, str(bait)) for _ in range(count)]
    golds = draw.choices(GOLDS, k=count)
    started = time.monotonic()
    verdicts = verify(completions, golds)
    seconds = time.monotonic() - started
    fooled = [(c, g) for c, g, v in zip(completions, golds, verdicts, strict=True) if v.verdict != "incorrect"]
    assert fooled == []
    assert not bait.exists(), "something that a completion holds was run"
    reasons = Counter(verdict.reason for verdict in verdicts)
    assert {"no answer", "not a value", "different", "too long", "too complex", "unfinished"} <= set(reasons)
    # Twenty seconds for 100,000 when measured; a hang would be hours.
    assert seconds < 30 + count / 100, reasons


def test_hostile_completions_are_harmless(tmp_path: Path) -> None:
    assert_harmless(20_000, 1, tmp_path)


@pytest.mark.slow
def test_a_hundred_thousand_hostile_completions_are_harmless(tmp_path: Path) -> None:
    assert_harmless(100_000, 2, tmp_path)


@pytest.mark.parametrize(
    "completion",
    [
        "\\boxed{" * 150_000,
        "{" * 1_000_000 + "\\boxed{7}",
        "\\boxed{" + "{" * 500_000 + "}" * 500_000 + "}",
        "\\boxed{" + "\\frac{1}{" * 100_000 + "7" + "}" * 100_000 + "}",
        "\\" * 1_000_000,
        "\\boxed{7} " * 100_000 + "\\boxed{8}",
        "boxed" * 200_000,
        "\\boxed{" + "9" * 1_000_000 + "}",
        "7" * 2_000_000,
    ],
    ids=lambda text: f"{text[:12]}…{len(text)}",
)
def test_megabytes_take_moments(completion: str) -> None:
    started = time.monotonic()
    (verdict,) = verify([completion], ["9"])
    assert verdict.verdict == "incorrect"
    assert time.monotonic() - started < 10
