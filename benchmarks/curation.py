"""Curation beside open-r1's decontamination done plainly with datasets.map: rows per second and peak memory.

open-r1's script (scripts/decontaminate.py, after s1) lower-cases a question, splits it at spaces, joins every 8 words
into a string, and asks whether any is in the set of the eval questions' strings; `datasets.map` does it row by row and
`filter` writes what is left. Here the same is asked of the same rows, by permix's index, and what is left is written as
Parquet with what was rejected and why. The third line is permix's curation whole: gold against itself and against its
solution, chat markers, exact and near duplicates, contamination.

Imports, reading MATH500, and datasets' conversion of the file into its cache are not in the times; all else is, the
reading of the file by permix too. Each runs in a process of its own, one after the other, on rows made from MATH's and
GSM8K's questions with other numbers in them; MATH500 is what must not be overlapped. Neither uses a second process.

    python benchmarks/curation.py                 # 100,000 rows, side by side: two minutes on two cores
    python benchmarks/curation.py --rows 1000000 --only curation --repeats 1   # how much memory a million rows take
"""

from __future__ import annotations

import argparse
import json
import random
import re
import resource
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from time import perf_counter, process_time
from typing import Any

DATA = Path(__file__).resolve().parents[1].parent / "shared" / "data"
NGRAM = 8


def make(path: Path, rows: int) -> None:
    """Rows of real questions with other numbers: 200 characters on average, integers and fractions as golds."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    files = (("math/math_4500.jsonl", "problem"), ("gsm8k/gsm8k_test.jsonl", "question"))
    questions = [json.loads(line)[column] for name, column in files for line in (DATA / name).open(encoding="utf-8")]
    draw = random.Random(0)

    def problems() -> Iterator[dict[str, str]]:
        for number in range(rows):
            question = re.sub(r"\d+", lambda _: str(draw.randrange(2, 1000)), draw.choice(questions))
            gold = str(draw.randrange(10_000)) if draw.random() < 0.7 else f"\\frac{{{draw.randrange(1, 999)}}}{{1000}}"
            solution = f"{question[:200]} Hence the answer is $\\boxed{{{gold}}}$."
            yield {"id": str(number), "problem": question, "answer": gold, "solution": solution}

    schema = pa.schema([(name, pa.string()) for name in ("id", "problem", "answer", "solution")])
    made = problems()
    with pq.ParquetWriter(path, schema, compression="zstd") as writer:
        for start in range(0, rows, 20_000):
            chunk = [next(made) for _ in range(min(20_000, rows - start))]
            writer.write_table(pa.Table.from_pylist(chunk, schema=schema))


def open_r1(path: Path, out: Path) -> dict[str, Any]:
    """As open-r1 does it: a row at a time through datasets.map, then filter."""
    from datasets import disable_progress_bars, load_dataset

    disable_progress_bars()

    def grams(text: str) -> set[str]:
        found = " ".join(text.lower().strip().split()).split()
        return {" ".join(found[start : start + NGRAM]) for start in range(len(found) - NGRAM + 1)}

    held_out: set[str] = set()
    for row in load_dataset("json", data_files=str(DATA / "math/math500.jsonl"), split="train", cache_dir=str(out)):
        held_out |= grams(row["problem"])
    rows = load_dataset("parquet", data_files=str(path), split="train", cache_dir=str(out))
    start = now()
    flagged = rows.map(lambda row: {**row, "contaminated": any(gram in held_out for gram in grams(row["problem"]))})
    kept = flagged.filter(lambda row: not row["contaminated"])
    return {**since(start), "rows": len(rows), "kept": len(kept)}


def contamination(path: Path, out: Path) -> dict[str, Any]:
    """permix's index, and nothing else."""
    import pyarrow.parquet  # noqa: F401 - draft and reader import it inside functions

    from permix.curation.draft import draft
    from permix.problems import Problem
    from permix.problems.overlap import OverlapIndex
    from permix.problems.sources import read_problems
    from permix.problems.store import COLUMNS

    held_out, train = settings(path).sources
    index = OverlapIndex(NGRAM)
    for row in read_problems([held_out]):
        assert isinstance(row, Problem)
        index.add(row)
    start = now()
    with draft(out, COLUMNS) as written:
        for row in read_problems([train]):
            assert isinstance(row, Problem)
            if (clash := index.clash(row)) is not None:
                written.reject(clash)
            else:
                written.keep(vars(row))
        (count,) = written.tally.counts()
        written.close()
    return {**since(start), "rows": count["rows"], "kept": count["kept"]}


def curation(path: Path, out: Path) -> dict[str, Any]:
    """Every step of permix's curation."""
    from permix.curation.draft import draft
    from permix.problems.curate import curate_problems
    from permix.problems.sources import read_problems
    from permix.problems.store import COLUMNS, write_problems

    start = now()
    profile = settings(path)
    with draft(out, COLUMNS) as written:
        write_problems(written, curate_problems(read_problems(profile.sources), profile), profile.near_duplicate)
        count = next(count for count in written.tally.counts() if count["split"] == "train")
        written.close()
    return {**since(start), **{name: count[name] for name in ("rows", "kept", "rejected")}}


def now() -> tuple[float, float]:
    """Wall and processor time of this process, in seconds."""
    return perf_counter(), process_time()


def since(start: tuple[float, float]) -> dict[str, float]:
    """Seconds of both that have passed."""
    return {"seconds": perf_counter() - start[0], "cpu": process_time() - start[1]}


def settings(path: Path) -> Any:
    """MATH500 held out, the file to train on."""
    from permix.config import ProblemSettings

    held_out = {"kind": "file", "name": "math500", "path": str(DATA / "math/math500.jsonl"), "split": "eval"}
    train = {"kind": "file", "name": "made", "path": str(path), "split": "train", "id": "id", "solution": "solution"}
    return ProblemSettings.model_validate({"sources": [held_out, train]})


SIDES = {"open-r1": open_r1, "contamination": contamination, "curation": curation}


def main() -> None:
    """Make the rows, run each side in processes of its own, print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--repeats", type=int, default=3, help="of each side, in turns; the best one is shown")
    parser.add_argument("--only", choices=SIDES)
    parser.add_argument("--side", nargs=3, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.side:
        side, path, out = arguments.side
        found = SIDES[side](Path(path), Path(out))
        # Linux counts in kilobytes, and counts mapped files of the process too.
        print(json.dumps(found | {"peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000}))
        return
    with tempfile.TemporaryDirectory(prefix="permix-bench-") as scratch:
        path = Path(scratch) / "rows.parquet"
        make(path, arguments.rows)
        size = path.stat().st_size / 1e6
        print(f"{arguments.rows:,} rows, {size:.0f} MB of Parquet; 500 problems held out\n")
        sides = [arguments.only] if arguments.only else list(SIDES)
        best: dict[str, dict[str, Any]] = {}
        for _ in range(arguments.repeats):
            for side in sides:
                with tempfile.TemporaryDirectory(dir=scratch) as out:
                    command = [sys.executable, __file__, "--side", side, str(path), out]
                    result = subprocess.run(command, stdout=subprocess.PIPE, check=True, text=True)
                found = json.loads(result.stdout.splitlines()[-1])
                best[side] = min(found, best.get(side, found), key=lambda one: float(one["cpu"]))
        print(f"{'':16}{'rows/s':>10}{'seconds':>10}{'CPU':>10}{'peak MB':>10}{'kept':>12}")
        for side, one in best.items():
            speed = one["rows"] / one["seconds"]
            print(
                f"{side:16}{speed:10,.0f}{one['seconds']:10.1f}{one['cpu']:10.1f}{one['peak_mb']:10,.0f}{one['kept']:12,}"
            )
            for reason, number in one.get("rejected", {}).items():
                print(f"{'':18}{reason}: {number:,}")
        if not arguments.only:
            wall, cpu = (best["open-r1"][key] / best["contamination"][key] for key in ("seconds", "cpu"))
            print(f"\ncontamination is {wall:.1f} times as fast as open-r1's; by processor time {cpu:.1f} times")


if __name__ == "__main__":
    main()
