"""Sharing what prompts have in common changes neither logits nor what is drawn: compared with transformers' own."""

from __future__ import annotations

import random
from collections import Counter
from itertools import product
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.stats import chi2_contingency
from transformers import MistralConfig

from permix.generation.decoding import draw, read, reads_shared, shared_width, write
from permix.generation.local import LanguageModel, load


@pytest.fixture(scope="module")
def babbler(untrained: Path) -> LanguageModel:
    return load(untrained, device="cpu")


def grouped_prompts() -> list[list[int]]:
    """Prompts as of a mixed group: some equal, many with a beginning in common, of several lengths."""
    draw_ = random.Random(1)
    beginnings = [[2, *draw_.choices(range(10, 250), k=length)] for length in (5, 5, 8)]
    questions = [draw_.choices(range(10, 250), k=length) for length in (3, 3, 4, 9)]
    prompts = [[*beginning, *question] for beginning, question in product(beginnings, questions)]
    return [*prompts, *prompts[3:6], prompts[3], [2, 17]]


def padded(prompts: list[list[int]]) -> dict[str, torch.Tensor]:
    width = max(map(len, prompts))
    ids = torch.tensor([[0] * (width - len(prompt)) + prompt for prompt in prompts])
    mask = torch.tensor([[0] * (width - len(prompt)) + [1] * len(prompt) for prompt in prompts])
    return {"input_ids": ids, "attention_mask": mask}


def test_what_was_read_together_is_what_each_prompt_says_alone(babbler: LanguageModel) -> None:
    prompts, model = grouped_prompts(), babbler.model
    distinct = sorted({tuple(prompt) for prompt in prompts})
    for chosen in (prompts, [prompt for prompt in prompts if len(prompt) > 2]):
        with torch.no_grad():
            reading = read(model, model.config, chosen, model.device)
            alone = torch.cat([model(torch.tensor([prompt])).logits[:, -1] for prompt in chosen])
        torch.testing.assert_close(reading.logits, alone, rtol=1e-4, atol=1e-4)
        assert reading.mask.sum(dim=1).tolist() == [len(prompt) for prompt in chosen]
    assert shared_width([prompt for prompt in distinct if len(prompt) > 2]) == 6, (
        "the second time beginnings are shared"
    )


@pytest.mark.parametrize(
    ("prompts", "width"),
    [
        ([(1, 2, 3)], 0),
        ([(1, 2, 3), (9, 2, 3)], 0),
        # The last token is never shared: its logits are each prompt's own.
        ([(1, 2, 3), (1, 2, 3, 4)], 2),
        ([(1, 2, 3, 4), (1, 2, 3, 5), (1, 2, 3, 6)], 3),
        # Two pairs: reading two beginnings of three tokens costs less than one of one.
        ([(1, 2, 3, 4), (1, 2, 3, 5), (1, 7, 7, 4), (1, 7, 7, 5)], 3),
    ],
    ids=str,
)
def test_the_beginning_that_saves_most_is_shared(prompts: list[tuple[int, ...]], width: int) -> None:
    assert shared_width(prompts) == width


def test_greedy_tokens_are_those_of_generate(babbler: LanguageModel) -> None:
    prompts, model = grouped_prompts(), babbler.model
    with torch.no_grad():
        reading = read(model, model.config, prompts, model.device)
        ours = write(model, reading, lambda logits, *_: logits.argmax(dim=-1), babbler.stops, 12)
    theirs = model.generate(**padded(prompts), max_new_tokens=12, do_sample=False, pad_token_id=0)
    theirs = theirs[:, max(map(len, prompts)) :]
    ends = set(babbler.stops.tolist())
    lengths = set()
    for row, other in zip(ours.tolist(), theirs.tolist(), strict=True):
        length = next((n + 1 for n, token in enumerate(other) if token in ends), len(other))
        assert row[:length] == other[:length]
        assert set(row[length:]) <= {-1}
        lengths.add(length)
    assert len(lengths) > 2, "some rows leave the batch before others"


def counts(rows: list[list[int]], ends: set[int]) -> Counter[tuple[int, int]]:
    """How often each token is written at each of the first places."""
    seen: Counter[tuple[int, int]] = Counter()
    for row in rows:
        for place, token in enumerate(row):
            seen[place, token] += 1
            if token in ends:
                break
    return seen


def alike(ours: Counter[tuple[int, int]], theirs: Counter[tuple[int, int]]) -> float:
    """P-value of the chi-square test that both come from one distribution; rare tokens are taken together."""
    common = [key for key in ours | theirs if ours[key] + theirs[key] >= 20]
    table = np.array([[seen[key] for key in common] for seen in (ours, theirs)])
    rest = [[sum(seen.values()) - sum(seen[key] for key in common)] for seen in (ours, theirs)]
    return float(chi2_contingency(np.hstack([table, rest])).pvalue)


@pytest.mark.parametrize(("temperature", "top_k", "top_p"), [(0.2, 0, 1.0), (0.3, 40, 0.9)])
def test_sampled_tokens_are_distributed_as_generates(
    babbler: LanguageModel, temperature: float, top_k: int, top_p: float
) -> None:
    model, samples, length = babbler.model, 1500, 3
    prompts = [prompt for prompt in grouped_prompts()[:3] for _ in range(samples)]
    drawn = torch.from_numpy(np.random.default_rng(7).random((len(prompts), length)))

    def sample(temperature: float) -> Counter[tuple[int, int]]:
        with torch.no_grad():
            reading = read(model, model.config, prompts, model.device)
            tokens = write(
                model,
                reading,
                lambda logits, going, number: draw(logits, drawn[going, number], temperature, top_k, top_p),
                babbler.stops,
                length,
            )
        return counts(tokens.tolist(), ends)

    ends = set(babbler.stops.tolist())
    torch.manual_seed(3)
    options = {"temperature": temperature, "top_k": top_k, "top_p": top_p, "max_new_tokens": length}
    inputs = padded(prompts)
    theirs = counts(
        model.generate(**inputs, do_sample=True, pad_token_id=0, **options)[:, inputs["input_ids"].shape[1] :].tolist(),
        ends,
    )
    assert alike(sample(temperature), theirs) > 0.001
    # The same test notices another distribution.
    assert alike(sample(1.3 * temperature), theirs) < 1e-6


def test_a_model_that_forgets_is_not_shared(babbler: LanguageModel) -> None:
    assert reads_shared(babbler.model.config)
    assert not reads_shared(MistralConfig(sliding_window=8))
