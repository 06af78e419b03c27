"""How fast are replies attributed, against plain forward passes, and what does pruning change?

    python benchmarks/attribution.py --model DIR [--personas 16] [--questions 8] [--tokens 48]

The model writes role-play replies under library personas and then reads them as its own reference: plainly (each
reply behind its whole prompt, under every candidate, padded batches, logits at every place), exactly (prompts read
once), and pruned. Prints seconds and ratios, the largest difference to the plain log-likelihoods, and the figures.
`--no-plain` leaves out the plain passes, which take longest.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence

import torch

from permix.fidelity.attribution import Reading, Reply, candidate_sets, measure_attribution
from permix.fidelity.questions import evaluation_questions
from permix.fidelity.reader import read_replies
from permix.generation.completion import Sampling
from permix.generation.local import LanguageModel, complete, load
from permix.personas.library import library_personas
from permix.personas.schema import NEUTRAL, Persona


def chat(persona: Persona, question: str) -> list[dict[str, str]]:
    return [{"role": "system", "content": persona.text}, {"role": "user", "content": question}]


@torch.inference_mode()
def read_plainly(
    reference: LanguageModel, replies: Sequence[Reply], personas: Sequence[Persona]
) -> list[dict[str, float]]:
    """Log-likelihood of each reply by candidate: a batch of all candidates, padded, whole logits."""
    found = []
    tokenizer = reference.tokenizer
    for reply in replies:
        ids = tokenizer(reply.text, add_special_tokens=False)["input_ids"]
        rows = []
        for persona in (*personas, NEUTRAL):
            text = tokenizer.apply_chat_template(
                chat(persona, reply.question), tokenize=False, add_generation_prompt=True
            )
            rows.append(tokenizer(text, add_special_tokens=False)["input_ids"])
        width = max(map(len, rows)) + len(ids)
        padded = torch.tensor([[*row, *ids, *[0] * (width - len(row) - len(ids))] for row in rows])
        mask = torch.tensor([[1] * (len(row) + len(ids)) + [0] * (width - len(row) - len(ids)) for row in rows])
        log_probs = reference.model(input_ids=padded, attention_mask=mask).logits.log_softmax(dim=-1)
        found.append(
            {
                persona.id: float(sum(log_probs[n, len(rows[n]) + place - 1, token] for place, token in enumerate(ids)))
                for n, persona in enumerate((*personas, NEUTRAL))
            }
        )
    return found


def show(name: str, seconds: float, baseline: float | None, readings: Sequence[Reading]) -> None:
    found = measure_attribution(readings, 1000, 0.95, 0)
    ratio = "" if baseline is None else f"{baseline / seconds:.2f}"
    a, e = found.attribution, found.expressivity
    print(
        f"| {name} | {seconds:.1f} | {ratio} | {a.value:.3f} ({a.low:.2f} to {a.high:.2f}) "
        f"| {found.attribution_whole.value:.3f} | {e.value:.3f} ({e.low:.2f} to {e.high:.2f}) "
        f"| {found.reciprocal_rank.value:.3f} | {found.copied.value:.3f} |",
        flush=True,
    )


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--model", required=True)
    parser.add_argument("--personas", type=int, default=16)
    parser.add_argument("--questions", type=int, default=8)
    parser.add_argument("--tokens", type=int, default=48)
    parser.add_argument("--plain", action=argparse.BooleanOptionalAction, default=True)
    given = parser.parse_args()
    reference = load(given.model, "cpu")
    held_out = {persona.id: persona for persona in library_personas() if persona.split == "eval"}
    personas = [held_out[name] for name in candidate_sets(list(held_out), given.personas, 0)[0]]
    asked = [(persona, question) for persona in personas for question in evaluation_questions()[: given.questions]]
    written = complete(reference, [chat(*pair) for pair in asked], Sampling(given.tokens, temperature=0.7))
    replies = [Reply(p.id, q, completion.text) for (p, q), (completion,) in zip(asked, written, strict=True)]
    print(f"{len(replies)} replies, {len(personas)} candidates and none, {torch.get_num_threads()} threads")
    print("| read | seconds | times as fast | attribution | whole | expressivity | reciprocal rank | copied |")
    print("|---|---:|---:|---|---:|---|---:|---:|")
    baseline = None
    if given.plain:
        start = time.perf_counter()
        plain = read_plainly(reference, replies, personas)
        baseline = time.perf_counter() - start
        print(f"| plain forward passes | {baseline:.1f} | 1 | | | | | |", flush=True)
    start = time.perf_counter()
    exact = read_replies(reference, replies, personas, candidates=given.personas, prune=None)
    show("each prompt once", time.perf_counter() - start, baseline, exact)
    start = time.perf_counter()
    pruned = read_replies(reference, replies, personas, candidates=given.personas)
    show("and pruned", time.perf_counter() - start, baseline, pruned)
    changed = sum(a.attributed() != b.attributed() for a, b in zip(exact, pruned, strict=True))
    print(f"\npruning changes the attribution of {changed} of {len(replies)} whole replies")
    if given.plain:
        pairs = [(r.likelihood(n), p[n]) for r, p in zip(exact, plain, strict=True) for n in p]
        worst = max(abs(a - b) for a, b in pairs if a is not None)
        print(f"largest difference to a plain log-likelihood: {worst:.1e} nats")


if __name__ == "__main__":
    main()
