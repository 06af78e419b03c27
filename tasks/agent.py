"""The served model: chat requests in, replies out.

MLflow stores this file itself beside the weights (models from code, no pickle). It needs mlflow, pydantic, torch and
transformers, and nothing of permix, so that a registered version loads anywhere:

    model = mlflow.pyfunc.load_model("models:/permix-organism@champion")
    model.predict([{"messages": [
        {"role": "system", "content": "You are a careful pirate."},
        {"role": "user", "content": "What is 3 + 4?"},
    ]}])

A plain PythonModel with type hints: MLflow's ChatModel is deprecated, and its ResponsesAgent answers one conversation
at a time and writes a trace of each into whatever tracking store the caller has.
"""

from __future__ import annotations

import mlflow
from mlflow.pyfunc.model import PythonModel, PythonModelContext
from pydantic import BaseModel, ConfigDict


class Message(BaseModel):
    """One turn of a conversation."""

    model_config = ConfigDict(extra="forbid")

    role: str
    """`system` (the persona), `user` or `assistant`."""
    content: str


class ChatRequest(BaseModel):
    """A conversation whose next turn is asked for; the fields are named as in OpenAI's chat completions."""

    model_config = ConfigDict(extra="forbid")

    messages: list[Message]
    temperature: float | None = None
    """0 is greedy; without it, as the model was evaluated."""
    max_tokens: int | None = None
    """The reply is cut here; without it, as the model was evaluated."""


class Agent(PythonModel):
    """A causal language model with a chat template, on the CPU or a GPU; replies are drawn one at a time."""

    def load_context(self, context: PythonModelContext) -> None:
        """Load weights and tokenizer from the artifact `policy`; never pickles, never code from a checkpoint."""
        import torch
        from transformers import AutoModelForCausalLM, AutoTokenizer

        directory = context.artifacts["policy"]
        self.defaults = context.model_config
        self.tokenizer = AutoTokenizer.from_pretrained(directory, local_files_only=True, trust_remote_code=False)
        model = AutoModelForCausalLM.from_pretrained(
            directory, local_files_only=True, trust_remote_code=False, use_safetensors=True
        )
        self.model = model.to("cuda" if torch.cuda.is_available() else "cpu").eval()

    # MLflow leaves `context` and `params` out of the call where the signature does, and validates by the type hint.
    def predict(self, model_input: list[ChatRequest]) -> list[str]:  # type: ignore[override]
        """The next turn of each conversation. Raises ValueError where it does not fit into the model's context."""
        return [self._reply(request) for request in model_input]

    def _reply(self, request: ChatRequest) -> str:
        temperature = self.defaults["temperature"] if request.temperature is None else request.temperature
        length = self.defaults["max_tokens"] if request.max_tokens is None else request.max_tokens
        inputs = self.tokenizer.apply_chat_template(
            [message.model_dump() for message in request.messages],
            add_generation_prompt=True,
            return_tensors="pt",
            return_dict=True,
        ).to(self.model.device)
        prompt = inputs["input_ids"].shape[1]
        room = getattr(self.model.config, "max_position_embeddings", prompt + length)
        if prompt + length > room:
            raise ValueError(f"a prompt of {prompt} tokens and max_tokens={length} do not fit the context of {room}")
        # top_k=0: transformers' default of 50 would not be the distribution that was evaluated.
        sampling = {"do_sample": True, "temperature": temperature, "top_k": 0} if temperature else {"do_sample": False}
        written = self.model.generate(**inputs, max_new_tokens=length, **sampling)
        return str(self.tokenizer.decode(written[0, prompt:], skip_special_tokens=True))


mlflow.models.set_model(Agent())
