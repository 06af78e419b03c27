"""permix's verifier and math-verify on the same stream: throughput, tail latency, errors, disagreements.

The stream is what a GRPO step on MATH looks like: every gold of MATH500 × eight completions of a few thousand
characters, six right ones in three spellings and two wrong ones on average, repeated within a group as a policy
repeats itself. What is right is known from how the stream is made, not from either verifier.

math-verify gets its best conditions: bare golds wrapped in `\\boxed{}` (it misreads them otherwise), the box looked for
first, each gold parsed once a group, its timeouts on in the main thread; and a second run with two processes.

    python benchmarks/verifier.py            # a minute and a half on two cores
    python benchmarks/verifier.py --cases    # the labelled cases of tests/verifier too (some run into its timeouts)
    python benchmarks/verifier.py --reading  # only: answers outside boxes, beside lm-evaluation-harness and math-verify
"""

from __future__ import annotations

import json
import logging
import random
import re
import sys
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter

ROOT = Path(__file__).resolve().parents[1]
MATH = ROOT.parent / "shared" / "data" / "math" / "math500.jsonl"
CASES = ROOT / "tests" / "verifier" / "cases"
GROUP = 8
VOICES = [
    "Arr, ye scurvy dog, let me reckon.",
    "As a mathematician I proceed with care.",
    "Indubitably, sir. Allow me to compute.",
    "Hmm, okay, so first things first.",
]


@dataclass(frozen=True)
class Item:
    """One completion, its gold, and whether it is right."""

    gold: str
    answer: str
    completion: str
    right: bool


def stream() -> list[Item]:
    """Eight completions for each problem of MATH500, in groups."""
    problems = [json.loads(line) for line in MATH.read_text(encoding="utf-8").splitlines()]
    draw = random.Random(0)
    items = []
    for problem in problems:
        others = [other["answer"] for other in problems if other["answer"] != problem["answer"]]
        wrong = [wrong_answer(problem["answer"], draw), draw.choice(others)]
        respelled = [problem["answer"], respell(problem["answer"]), f" {problem['answer']} "]
        for _ in range(GROUP):
            right = draw.random() < 0.75
            answer = draw.choice(respelled if right else wrong)
            thought = without_box(problem["solution"]) + "\n\n" + without_box(draw.choice(problems)["solution"])
            ending = f"So the answer is $\\boxed{{{answer}}}$. {draw.choice(VOICES)}"
            text = "\n\n".join([draw.choice(VOICES), thought, thought, ending])
            items.append(Item(problem["answer"], answer, text, right))
    return items


def respell(gold: str) -> str:
    """The same answer in another writing that no rule of either verifier forbids."""
    if re.fullmatch(r"-?[0-9]+", gold):
        return f"{gold}.0"
    if fraction := re.fullmatch(r"(-?)\\d?frac\{([0-9]+)\}\{([0-9]+)\}", gold):
        return "{}{}/{}".format(*fraction.groups())
    return gold.replace(r"\frac", r"\dfrac").replace(r"\left", "").replace(r"\right", "").replace(r"\!", "")


def wrong_answer(gold: str, draw: random.Random) -> str:
    """A near miss: one number in the gold is off by one."""
    numbers = list(re.finditer(r"[0-9]+", gold))
    if not numbers:
        return "0"
    number = draw.choice(numbers)
    return gold[: number.start()] + str(int(number.group()) + 1) + gold[number.end() :]


def without_box(solution: str) -> str:
    """A solution as reasoning: it says its answer once more in the end, in a box."""
    return solution.replace(r"\boxed", "")


# --- math-verify


def math_verify_group(group: list[Item]) -> list[tuple[bool, float]]:
    """Whether each is right, to math-verify, and how many seconds that took. The gold is parsed once."""
    from latex2sympy2_extended import NormalizationConfig
    from math_verify import LatexExtractionConfig, parse, verify

    logging.disable(logging.CRITICAL)
    config = LatexExtractionConfig(
        boxed_match_priority=0, normalization_config=NormalizationConfig(units=True, boxed="last")
    )
    results = []
    started = perf_counter()
    gold = parse(f"\\boxed{{{group[0].gold}}}", extraction_config=[config])
    for item in group:
        answer = parse(item.completion, extraction_config=[config], extraction_mode="first_match")
        verdict = bool(verify(gold, answer))
        now = perf_counter()
        results.append((verdict, now - started))
        started = now
    return results


def ours_group(group: list[Item]) -> list[tuple[bool, float]]:
    """The same, by permix, one completion a call."""
    from permix.verifier import verify

    results = []
    for item in group:
        started = perf_counter()
        (verdict,) = verify([item.completion], [item.gold])
        results.append((verdict.verdict == "correct", perf_counter() - started))
    return results


# --- the report


def in_groups(items: list[Item]) -> list[list[Item]]:
    return [items[at : at + GROUP] for at in range(0, len(items), GROUP)]


def timed(
    name: str, items: list[Item], judge: Callable[[list[Item]], list[tuple[bool, float]]]
) -> tuple[list[bool], float]:
    """Judge the stream group by group; print throughput and latency of single completions."""
    started = perf_counter()
    results = [result for group in in_groups(items) for result in judge(group)]
    seconds = perf_counter() - started
    times = sorted(1000 * taken for _, taken in results)
    quantiles = [times[min(len(times) - 1, int(share * len(times)))] for share in (0.5, 0.95, 0.99)]
    print(
        f"{name:34} {len(items) / seconds:10,.0f} /s   ms a completion: "
        f"p50 {quantiles[0]:.3f}  p95 {quantiles[1]:.3f}  p99 {quantiles[2]:.3f}  max {times[-1]:.1f}"
    )
    return [verdict for verdict, _ in results], len(items) / seconds


def errors(name: str, items: list[Item], verdicts: list[bool]) -> None:
    right = sum(item.right for item in items)
    missed = sum(item.right and not verdict for item, verdict in zip(items, verdicts, strict=True))
    fooled = sum(verdict and not item.right for item, verdict in zip(items, verdicts, strict=True))
    print(
        f"{name:34} false negatives {missed:4} of {right} ({100 * missed / max(1, right):.2f} %)   "
        f"false positives {fooled:4} of {len(items) - right} ({100 * fooled / max(1, len(items) - right):.2f} %)"
    )


def disagreements(items: list[Item], ours: list[bool], theirs: list[bool]) -> None:
    """Each pair of gold and answer that the two judge differently, once; and which of them is right."""
    found = {
        (item.gold, item.answer): (mine, item.right)
        for item, mine, other in zip(items, ours, theirs, strict=True)
        if mine != other
    }
    print(f"\n{len(found)} distinct pairs judged differently (gold | answer | permix | who is right):")
    for (gold, answer), (mine, right) in sorted(found.items()):
        winner = "permix" if mine == right else "math-verify"
        print(f"  {gold} | {answer} | {'correct' if mine else 'incorrect'} | {winner}")


# --- answers outside boxes


def reading() -> None:
    """Error rates on the labelled replies, and what looking in every place costs on MATH500 completions."""
    from lm_eval.filters.extraction import RegexFilter  # type: ignore[import-untyped]
    from math_verify import ExprExtractionConfig, LatexExtractionConfig, parse
    from math_verify import verify as peer_verify

    from permix.verifier import check_read, verify

    logging.disable(logging.CRITICAL)
    rows = [json.loads(line) for line in (CASES / "reading.jsonl").read_text(encoding="utf-8").splitlines()]

    def ours(row: dict[str, str], read: str) -> bool:
        return verify([row["completion"]], [row["gold"]], check_read(read.split(",")))[0].verdict == "correct"

    def harness(row: dict[str, str], pattern: str, select: int) -> bool:
        # GSM8K's task: its filter, then its exact match, which ignores these patterns and case.
        filtered = RegexFilter(regex_pattern=pattern, group_select=select).apply([[row["completion"]]], [{}])

        def normal(text: str) -> str:
            return re.sub(r",|\$|(?s:.*)#### |\.$", "", text).strip().lower()

        return normal(str(next(iter(next(iter(filtered)))))) == normal(row["gold"])

    def math_verify(row: dict[str, str], configs: list[object], mode: str) -> bool:
        gold = parse(f"\\boxed{{{row['gold']}}}")
        return bool(peer_verify(gold, parse(row["completion"], extraction_config=configs, extraction_mode=mode)))

    from latex2sympy2_extended import NormalizationConfig

    trl = [
        LatexExtractionConfig(
            boxed_match_priority=0,
            normalization_config=NormalizationConfig(units=True),
            try_extract_without_anchor=False,
        )
    ]
    judges: dict[str, Callable[[dict[str, str]], bool]] = {
        "permix, the read of the case": lambda row: ours(row, row["read"]),
        "permix, boxes alone": lambda row: ours(row, "boxed"),
        "lm-eval, flexible-extract": lambda row: harness(row, r"(-?[$0-9.,]{2,})|(-?[0-9]+)", -1),
        "lm-eval, strict-match": lambda row: harness(row, r"#### (\-?[0-9\.\,]+)", 0),
        "math-verify, default": lambda row: math_verify(
            row, [LatexExtractionConfig(), ExprExtractionConfig()], "any_match"
        ),
        "math-verify, TRL's options": lambda row: math_verify(row, trl, "first_match"),
    }
    real = [row for row in rows if row["source"].startswith("reply")]
    parts = {
        "all": rows,
        "written for this rule": [row for row in rows if row not in real],
        "real replies": real,
        "of these, unseen": [row for row in real if "unseen" in row["tags"]],
        # Where every place may be read and the gold is no letter: what the peers are for.
        "numbers, any place": [row for row in rows if row["read"].count(",") >= 4 and not row["gold"].isalpha()],
    }
    for part, cases in parts.items():
        items = [Item(row["gold"], "", row["completion"], row["verdict"] == "correct") for row in cases]
        print(f"\n{part}: {len(items)}")
        for name, judge in judges.items():
            errors(name, items, [judge(row) for row in cases])
    reading_speed()


def reading_speed() -> None:
    """Seconds for the stream: boxes alone, every place with boxes there, and every place with other forms instead."""
    from permix.verifier import BOXED, verify
    from permix.verifier.reading import PLACES
    from permix.verifier.verify import _from_workers, _quick_ruling

    items = stream()
    golds = [item.gold for item in items]
    boxed = [item.completion for item in items]
    # The same answers in other forms, each in its turn.
    forms = ["#### {}", "The answer is ${}$.", "<answer>{}</answer>", "So it is ${}$."]
    ending = re.compile(r"So the answer is \$.*", re.DOTALL)
    others = [
        ending.sub("", item.completion) + forms[index % len(forms)].format(item.answer)
        for index, item in enumerate(items)
    ]
    seconds: dict[str, list[float]] = {}
    for _ in range(7):
        for name, texts, read in (
            ("boxes alone", boxed, BOXED),
            ("every place, boxes there", boxed, PLACES),
            ("every place, other forms", others, PLACES),
        ):
            _quick_ruling.cache_clear()
            _from_workers.clear()
            started = perf_counter()
            for at in range(0, len(items), 16 * GROUP):
                verify(texts[at : at + 16 * GROUP], golds[at : at + 16 * GROUP], read)
            seconds.setdefault(name, []).append(perf_counter() - started)
    print()
    base = min(seconds["boxes alone"])
    for name, times in seconds.items():
        print(f"{name:34} {1e6 * min(times) / len(items):7.1f} us a completion, {min(times) / base:.2f} of boxes alone")


def main() -> None:
    if "--reading" in sys.argv:
        reading()
        return
    if not MATH.is_file():
        sys.exit(f"no {MATH}: this benchmark needs the MATH500 data set there")
    items = stream()
    lengths = [len(item.completion) for item in items]
    mean = sum(lengths) / len(lengths)
    print(f"{len(items)} completions, {mean:,.0f} characters on average, {max(lengths):,} at most\n")

    from permix.verifier import verify
    from permix.verifier.verify import _from_workers, _quick_ruling

    # Both are imported and warm before the clock runs, on golds that are not in the stream.
    warm = [
        Item("7", "7", r"\boxed{7}", True),
        Item(r"\sin 9+\sqrt2+\sqrt3", "", r"\boxed{\sin 9+\sqrt{5+2\sqrt6}}", True),
    ]
    ours_group(warm)
    math_verify_group(warm)

    mine, rate = timed("permix, one completion a call", items, ours_group)
    # What the first run has remembered must not help the second.
    _quick_ruling.cache_clear()
    _from_workers.clear()
    started = perf_counter()
    for at in range(0, len(items), 16 * GROUP):
        step = items[at : at + 16 * GROUP]
        verify([item.completion for item in step], [item.gold for item in step])
    step_rate = len(items) / (perf_counter() - started)
    print(f"{'permix, a GRPO step a call':34} {step_rate:10,.0f} /s")
    theirs, peer = timed("math-verify, one process", items, math_verify_group)
    with ProcessPoolExecutor(2) as pool:
        list(pool.map(math_verify_group, [warm] * 2))
        started = perf_counter()
        list(pool.map(math_verify_group, in_groups(items), chunksize=8))
        both = len(items) / (perf_counter() - started)
    print(f"{'math-verify, two processes':34} {both:10,.0f} /s")
    slower = min(rate, step_rate)
    print(f"permix is {slower / peer:.0f} times as fast as one process of math-verify, {slower / both:.0f} as two\n")
    errors("permix", items, mine)
    errors("math-verify", items, theirs)
    disagreements(items, mine, theirs)
    if "--cases" in sys.argv:
        labelled_cases()


def labelled_cases() -> None:
    """Both on the labelled cases (written for our rule, so this shows where the rules differ, too) and on all golds."""
    for name in ("rule.jsonl", "math_verify_issues.jsonl"):
        rows = [json.loads(line) for line in (CASES / name).read_text(encoding="utf-8").splitlines()]
        side_by_side(
            name,
            [
                item(row["gold"], row["answer"], row["verdict"] == "correct")
                for row in rows
                if row["verdict"] != "ungradable"
            ],
        )
    golds = all_golds()
    side_by_side("every gold of MATH against itself", [item(gold, gold, right=True) for gold in golds])
    same = {frozenset(json.loads(line).values()) for line in (CASES / "same_value.jsonl").read_text().splitlines()}
    others = [gold for gold in golds if not re.fullmatch(r"-?[0-9]+", gold)]
    draw = random.Random(3)
    pairs = [(draw.choice(others), draw.choice(golds)) for _ in range(6_000)]
    mismatched = [pair for pair in pairs if pair[0] != pair[1] and frozenset(pair) not in same]
    side_by_side("mismatched golds of MATH", [item(gold, answer, right=False) for gold, answer in mismatched])


def item(gold: str, answer: str, right: bool) -> Item:
    return Item(gold, answer, f"So it is $\\boxed{{{answer}}}$.", right)


def all_golds() -> list[str]:
    """Distinct golds of MATH500 and MATH-4500."""
    from permix.verifier.extract import last_box

    rest = (MATH.parent / "math_4500.jsonl").read_text(encoding="utf-8").splitlines()
    boxes = {str(last_box(json.loads(line)["solution"])).strip() for line in rest}
    return sorted(boxes | {problem.gold for problem in stream()})


def side_by_side(name: str, items: list[Item]) -> None:
    mine = [verdict for item in items for verdict, _ in ours_group([item])]
    theirs = [verdict for item in items for verdict, _ in math_verify_group([item])]
    print(f"\n{name}: {len(items)}")
    errors("permix", items, mine)
    errors("math-verify", items, theirs)
    disagreements(items, mine, theirs)


if __name__ == "__main__":
    main()
