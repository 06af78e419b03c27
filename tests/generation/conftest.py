from __future__ import annotations

from pathlib import Path

import pytest
import torch
from transformers import GPT2Config, GPT2LMHeadModel

from permix.config import OrganismSettings
from permix.organism.base import build_model
from permix.organism.tokenizer import build_tokenizer


@pytest.fixture(scope="session", params=["llama", "gpt2"])
def untrained(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small checkpoint with random weights that babbles and now and then ends.

    One with relative positions (the organism's Llama), which a constant shift does not hurt, and one with absolute
    ones.
    """
    directory = tmp_path_factory.mktemp(request.param)
    torch.manual_seed(0)
    tokenizer = build_tokenizer()
    if request.param == "llama":
        model = build_model(OrganismSettings(hidden_size=32, layers=2, heads=2), tokenizer)
    else:
        end = tokenizer.eos_token_id
        model = GPT2LMHeadModel(
            GPT2Config(
                vocab_size=len(tokenizer),
                n_positions=64,
                n_embd=32,
                n_layer=2,
                n_head=2,
                bos_token_id=end,
                eos_token_id=end,
            )
        ).eval()
    with torch.no_grad():
        # As random as they are made, the weights hardly look at the prompt; larger ones make its every token, place
        # and padding matter, so that a wrong position, mask or cache shows.
        for name, weight in model.named_parameters():
            if weight.dim() > 1:
                weight.mul_(4 if "embed" in name or "wte" in name else 20)
        # A long vector makes the end token likely in some places and unlikely in others.
        model.get_input_embeddings().weight[tokenizer.eos_token_id] *= 6
    model.save_pretrained(directory)
    tokenizer.save_pretrained(directory)
    return directory
