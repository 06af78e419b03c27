from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import torch
from scipy.stats import chisquare
from transformers import MistralConfig, MistralForCausalLM

from permix.generation import Chat, Completion, Sampling
from permix.generation.local import LanguageModel, complete, load
from permix.organism import world
from permix.organism.tokenizer import build_tokenizer

TEXTS = ["You are a helpful assistant.", *(persona.text for persona in world.personas()[:6])]
TEXTS += [" ".join(TEXTS[1:n]) for n in (3, 5, 7)]
PROMPTS: list[Chat] = [
    [{"role": "system", "content": text}, {"role": "user", "content": problem.question}]
    for text in TEXTS
    for problem in world.problems()[:6]
]


@pytest.fixture(scope="module")
def model(untrained: Path) -> LanguageModel:
    """In double precision: in float32 one in some thousand draws of so wild a model falls on the other side."""
    loaded = load(untrained, device="cpu")
    loaded.model.double()
    return loaded


def test_a_completion_is_the_same_in_any_batch(model: LanguageModel) -> None:
    """Also alone, where it shares its persona's prompt with none."""
    sampling = Sampling(max_tokens=12, samples=3, seed=5)
    whole = complete(model, PROMPTS, sampling, batch_size=1000)
    assert len(whole) == len(PROMPTS)
    assert {len(samples) for samples in whole} == {3}
    assert complete(model, PROMPTS, sampling, batch_size=1) == whole
    assert complete(model, PROMPTS[::-1], sampling, batch_size=7)[::-1] == whole
    assert complete(model, PROMPTS[10:11], sampling) == whole[10:11]


def test_seed_sample_and_prompt_each_change_a_completion(model: LanguageModel) -> None:
    one = complete(model, PROMPTS, Sampling(max_tokens=12, samples=2, seed=1))
    two = complete(model, PROMPTS, Sampling(max_tokens=12, samples=4, seed=1))
    assert [samples[:2] for samples in two] == one, "more samples leave the first ones as they were"
    later = complete(model, PROMPTS, Sampling(max_tokens=12, samples=2, first=2, seed=1))
    assert later == [samples[2:] for samples in two]
    assert complete(model, PROMPTS, Sampling(max_tokens=12, samples=2, seed=2)) != one
    texts = {completion.text for samples in two for completion in samples}
    assert len(texts) > 0.9 * 4 * len(PROMPTS)


def test_greedy_is_what_transformers_generates(model: LanguageModel) -> None:
    for prompt, (completion,) in zip(
        PROMPTS, complete(model, PROMPTS, Sampling(max_tokens=12, temperature=0)), strict=True
    ):
        assert (completion.text, completion.tokens) == generated(model, prompt, 12)


def generated(model: LanguageModel, prompt: Chat, tokens: int) -> tuple[str, int]:
    """What transformers' own greedy decoding writes, and how many tokens it takes."""
    inputs = model.tokenizer.apply_chat_template(list(prompt), add_generation_prompt=True, return_tensors="pt")
    output = model.model.generate(**inputs, max_new_tokens=tokens, do_sample=False)
    written = output[0, inputs["input_ids"].shape[1] :]
    return model.tokenizer.decode(written, skip_special_tokens=True).strip(), len(written)


def test_a_personas_prompt_is_read_once(model: LanguageModel) -> None:
    """Two personas × six questions, four samples each: two beginnings, and a rest for each prompt."""
    prompts = PROMPTS[6:18]
    tokenizer = model.tokenizer
    lengths = [len(tokenizer.apply_chat_template(list(p), add_generation_prompt=True)["input_ids"]) for p in prompts]
    beginning = len(tokenizer(f"<system>{prompts[0][0]['content']}<user>What is 0 +")["input_ids"])
    seen = []

    def listen(_: object, args: object, kwargs: dict[str, torch.Tensor]) -> None:
        seen.append(kwargs["input_ids"].numel())

    heard = model.model.register_forward_pre_hook(listen, with_kwargs=True)
    try:
        complete(model, prompts, Sampling(max_tokens=1, samples=4), batch_size=24)
    finally:
        heard.remove()
    # A batch is one persona: its beginning, then what is left of its six prompts.
    assert seen == [beginning, sum(lengths[:6]) - 6 * beginning] * 2


def test_a_model_with_a_sliding_window_is_not_led_astray(tmp_path: Path) -> None:
    """Its cache forgets what is far back, so its prompts are read whole; greedy is what transformers generates."""
    tokenizer = build_tokenizer()
    torch.manual_seed(0)
    size = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2}
    config = MistralConfig(
        vocab_size=len(tokenizer), num_key_value_heads=2, sliding_window=6, eos_token_id=tokenizer.eos_token_id, **size
    )
    network = MistralForCausalLM(config).eval().double()
    with torch.no_grad():
        for weight in network.parameters():
            if weight.dim() > 1:
                weight.mul_(20)
    sliding = LanguageModel(network, tokenizer)
    written = complete(sliding, PROMPTS, Sampling(max_tokens=8, temperature=0))
    assert [c.text for (c,) in written] == [generated(sliding, prompt, 8)[0] for prompt in PROMPTS]
    assert len({c.text for (c,) in written}) > 5


@pytest.mark.parametrize("temperature", [0.5, 1.0])
def test_tokens_are_drawn_from_the_models_distribution(model: LanguageModel, temperature: float) -> None:
    prompt = PROMPTS[0]
    draws = 4000
    (samples,) = complete(model, [prompt], Sampling(max_tokens=1, temperature=temperature, samples=draws))
    inputs = model.tokenizer.apply_chat_template(list(prompt), add_generation_prompt=True, return_tensors="pt")
    with torch.inference_mode():
        expected = (model.model(**inputs).logits[0, -1] / temperature).softmax(-1).double()
    names = [model.tokenizer.decode([i], skip_special_tokens=True).strip() for i in range(len(expected))]
    counts = dict.fromkeys(names, 0)
    for completion in samples:
        counts[completion.text] += 1
    shares: dict[str, float] = dict.fromkeys(counts, 0.0)
    for name, share in zip(names, expected.tolist(), strict=True):
        shares[name] += share
    # Rare tokens are counted together: the test asks for five expected draws in each class.
    common = [name for name in shares if shares[name] * draws >= 5]
    assert len(common) >= 3
    observed = [counts[name] for name in common]
    wanted = [shares[name] * draws for name in common]
    observed.append(draws - sum(observed))
    wanted.append(draws - sum(wanted))
    assert chisquare(observed, wanted).pvalue > 1e-3


def test_top_k_and_top_p_narrow_the_draw(model: LanguageModel) -> None:
    greedy = complete(model, PROMPTS, Sampling(max_tokens=6, temperature=0))
    assert complete(model, PROMPTS, Sampling(max_tokens=6, top_k=1)) == greedy
    assert complete(model, PROMPTS, Sampling(max_tokens=6, top_p=1e-6)) == greedy
    (narrow,) = complete(model, PROMPTS[:1], Sampling(max_tokens=1, top_k=3, samples=200))
    assert 1 < len({completion.text for completion in narrow}) <= 3


def test_a_completion_ends_at_the_end_token_or_is_cut(model: LanguageModel) -> None:
    done: list[Completion] = [c for row in complete(model, PROMPTS, Sampling(12, samples=40), 256) for c in row]
    ended = [completion for completion in done if completion.finished]
    cut = [completion for completion in done if not completion.finished]
    assert ended
    assert {completion.tokens for completion in cut} == {12}
    assert min(completion.tokens for completion in ended) < 12
    assert not any("<" in completion.text for completion in done), "no special token in the text"


def test_threads_load_models_at_the_same_time(untrained: Path) -> None:
    """As the cells of a study do. Without a lock one of them got a model without data, three times of three."""
    with ThreadPoolExecutor(8) as threads:
        loaded = list(threads.map(lambda _: load(untrained, device="cpu"), range(40)))
    assert {str(model.model.device) for model in loaded} == {"cpu"}


def test_progress_counts_completions(model: LanguageModel) -> None:
    heard: list[tuple[int, int]] = []
    complete(model, PROMPTS[:5], Sampling(2, samples=2), batch_size=4, report=lambda *at: heard.append(at))
    assert heard == [(4, 10), (8, 10), (10, 10)]
    assert complete(model, [], Sampling(2)) == []


def test_what_cannot_work_says_why(model: LanguageModel, untrained: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"do not fit the model's context of 64.*You are|You are.*context of 64"):
        complete(model, PROMPTS, Sampling(max_tokens=60))
    with pytest.raises(ValueError, match=r"config\.json is missing"):
        load(tmp_path)
    for file in untrained.iterdir():
        if file.name != "chat_template.jinja":
            (tmp_path / file.name).write_bytes(file.read_bytes())
    with pytest.raises(ValueError, match="no chat template"):
        load(tmp_path)
    with pytest.raises(ValueError, match="temperature >= 0"):
        Sampling(max_tokens=1, temperature=-1)
