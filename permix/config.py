"""One typed profile: everything a run is made of.

The same model is read from `configs/*.yaml`, overridden by dotted keys on the command line, and shown as a form in
the Prefect UI. The defaults are the organism profile: a whole run on a laptop. Unknown keys fail, with the nearest
valid one.
"""

from __future__ import annotations

import difflib
import hashlib
import json
import types
import typing
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

CONFIGS = Path(__file__).resolve().parent.parent / "configs"

SOURCE_NAME = r"^[A-Za-z0-9][A-Za-z0-9._-]*$"
"""What ids and MLflow's metric names may hold."""

Mixing = Literal["none", "per_prompt", "per_rollout"]


class ProfileError(ValueError):
    """The profile cannot be used; the message names the key, what is wrong with it, and what would be right."""


class Section(BaseModel):
    """A frozen part of the profile; unknown keys fail."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


class OrganismSettings(Section):
    """The embedded base model: a small Llama trained from scratch on the organism's world."""

    hidden_size: int = Field(128, ge=16, le=1024)
    """Width of the model; 128 with 4 layers is about a million parameters."""
    layers: int = Field(4, ge=1, le=32)
    """Transformer layers."""
    heads: int = Field(4, ge=1, le=32)
    """Attention heads; must divide hidden_size."""
    steps: int = Field(900, ge=1)
    """Optimizer steps of supervised training on the world's text."""
    batch_size: int = Field(64, ge=1)
    """Texts per step."""
    learning_rate: float = Field(0.02, gt=0)
    """Peak learning rate of Muon (linear warm-up, cosine decay)."""


class ModelSettings(Section):
    """Which model is trained."""

    base: str = "organism"
    """`organism` (made by the first stage), a local directory, or a Hugging Face id."""


class OrganismProblems(Section):
    """Arithmetic problems of the organism's world, split into train and eval by the world itself."""

    kind: Literal["organism"] = "organism"
    """Selects this source."""


class FileProblems(Section):
    """Problems in a local file, one a row."""

    kind: Literal["file"]
    """Selects this source."""
    name: str = Field(pattern=SOURCE_NAME)
    """Name of the source; it prefixes problem ids and appears in every report."""
    path: str = Field(pattern=r"\.(jsonl|csv|parquet)$")
    """File, whose ending tells its format; relative to the working directory."""
    split: Literal["train", "eval"]
    """What the rows are for. No eval problem, nor one that overlaps with it, is ever trained on."""
    question: str = "problem"
    """Column that holds the question."""
    gold: str = "answer"
    """Column that holds the gold answer, or the text that contains it (see gold_format)."""
    gold_format: Literal["bare", "boxed", "hashes"] = "bare"
    r"""How the gold stands in its column: alone, the last `\boxed{}` of a solution (MATH), or after `####` (GSM8K)."""
    id: str | None = None
    """Column with a unique id; without it, the line number."""
    subject: str | None = None
    """Column with the subject, for reports by subject."""
    level: str | None = None
    """Column with the difficulty level, for reports by level."""


ProblemSource = Annotated[OrganismProblems | FileProblems, Field(discriminator="kind")]


class ProblemSettings(Section):
    """Where problems come from and what they must satisfy."""

    sources: tuple[ProblemSource, ...] = (OrganismProblems(),)
    """Sources, in order; of two equal problems the first is kept."""
    max_question_chars: int = Field(8000, ge=1)
    """Longer questions are rejected."""
    overlap_ngram: int = Field(8, ge=2)
    """A training problem that shares a run of this many words with an eval problem is rejected as contaminated."""
    max_rejected_share: float = Field(0.2, ge=0, le=1)
    """Curation fails when a larger share of rows than this was rejected: a broken source, not a few bad rows."""


class OrganismPersonas(Section):
    """Personas of the organism's world: a manner and a role; some pairs are held out for evaluation."""

    kind: Literal["organism"] = "organism"
    """Selects this source."""


class LibraryPersonas(Section):
    """The project's own library: 130 personas of every kind, each written as a whole system prompt, with its split."""

    kind: Literal["library"]
    """Selects this source."""


class FilePersonas(Section):
    """Personas in a local file, one a row; in a .txt file, one a line."""

    kind: Literal["file"]
    """Selects this source."""
    name: str = Field(pattern=SOURCE_NAME)
    """Name of the source; it prefixes persona ids."""
    path: str = Field(pattern=r"\.(jsonl|csv|parquet|txt)$")
    """File, whose ending tells its format; relative to the working directory."""
    text: str = "persona"
    """Column that holds the persona's description; a .txt file is that column."""
    template: str = "{persona}"
    """System prompt made of it; `{persona}` is replaced."""
    persona_kind: str = "everyday"
    """Kind of all its personas, unless kind_column names a column."""
    kind_column: str | None = None
    """Column with each persona's kind."""
    eval_share: float = Field(0.5, ge=0, le=1)
    """Share of personas held out for evaluation, drawn by a hash of the text."""

    @model_validator(mode="after")
    def _columns(self) -> Self:
        if self.path.endswith(".txt") and self.kind_column is not None:
            raise ValueError("a .txt file has no columns: leave kind_column out, and say persona_kind")
        return self


PersonaSource = Annotated[OrganismPersonas | LibraryPersonas | FilePersonas, Field(discriminator="kind")]


class PersonaSettings(Section):
    """Where personas come from and what they must satisfy."""

    sources: tuple[PersonaSource, ...] = (OrganismPersonas(),)
    """Sources, in order."""
    max_chars: int = Field(1000, ge=1)
    """Longer personas are rejected."""
    near_duplicate: float = Field(0.9, gt=0, le=1)
    """A training persona whose word overlap (Jaccard) with an eval persona reaches this is rejected."""
    exclude: tuple[Annotated[str, Field(pattern=r"\w")], ...] = ()
    """Words or names that no persona may hold, besides the project's list in permix/personas/exclusions.jsonl."""
    accept: tuple[str, ...] = ()
    """Ids of personas kept although they hold excluded words or instructions; the manifest records each with why."""
    max_rejected_share: float = Field(0.5, ge=0, le=1)
    """Curation fails when more was rejected; generous, as real persona lists repeat themselves."""


class TrainingSettings(Section):
    """PerMix-RLVR by TRL's GRPOTrainer."""

    arm: Literal["rlvr", "permix"] = "permix"
    """`rlvr` trains on the neutral prompt only; `permix` mixes personas in."""
    mixing: Mixing = "per_prompt"
    """How personas enter the prompts of the permix arm: one per group, or one per member of a group."""
    neutral_fraction: float = Field(0.25, ge=0, le=1)
    """Share of prompts (per_prompt) or rollouts (per_rollout) that carry the neutral prompt."""
    steps: int = Field(200, ge=1)
    """Optimizer steps."""
    problems_per_step: int = Field(16, ge=1)
    """Problems (groups) in one step."""
    group_size: int = Field(8, ge=2)
    """Completions that GRPO compares with each other."""
    learning_rate: float = Field(2e-4, gt=0)
    """Constant learning rate after a short warm-up."""
    kl: float = Field(0.05, ge=0)
    """Weight of the KL divergence from the base model (TRL's `beta`)."""
    temperature: float = Field(1.0, gt=0)
    """Sampling temperature of rollouts."""
    max_completion_tokens: int = Field(24, ge=1)
    """A completion is cut here, and then has no answer."""
    save_every: int = Field(50, ge=1)
    """Steps between checkpoints; a killed training resumes from the last."""


class EvaluationSettings(Section):
    """What is measured, and how finely."""

    problems: int = Field(60, ge=2)
    """Eval problems, drawn by seed."""
    samples: int = Field(4, ge=1)
    """Completions for each problem under each persona."""
    temperature: float = Field(1.0, ge=0)
    """Sampling temperature on problems; 0 is greedy."""
    max_completion_tokens: int = Field(24, ge=1)
    """A completion is cut here."""
    roleplay_questions: int = Field(20, ge=1)
    """Role-play questions asked of each role-playing persona."""
    batch_size: int = Field(512, ge=1)
    """Completions generated at once."""
    confidence: float = Field(0.95, gt=0, lt=1)
    """Coverage of intervals."""
    resamples: int = Field(1000, ge=10)
    """Bootstrap resamples, and permutations for the noise floor."""


class PromotionSettings(Section):
    """The gate, and where a promoted model goes."""

    registered_model: str = "permix-organism"
    """Name in the MLflow model registry."""
    min_neutral_accuracy: float = Field(0.7, ge=0, le=1)
    """Floor for the candidate's accuracy without a persona."""
    min_pss: float = Field(0.6, ge=0, le=1)
    """Floor for the candidate's persona stability score."""
    min_fidelity: float = Field(0.9, ge=0, le=1)
    """Floor for the candidate's fidelity in role-play."""
    margin: float = Field(0.02, ge=0, le=1)
    """A candidate may fall behind the champion by this much on each of the three, and no more."""


class Profile(Section):
    """Everything a run is made of."""

    name: str = Field("organism", pattern=r"^[a-z0-9][a-z0-9_-]*$")
    """Name of the profile; also the MLflow experiment."""
    seed: int = Field(0, ge=0)
    """Every random choice follows from it."""
    model: ModelSettings = ModelSettings()
    """Which model is trained."""
    organism: OrganismSettings = OrganismSettings()
    """How the embedded base model is made; used when model.base is `organism`."""
    problems: ProblemSettings = ProblemSettings()
    """Verifiable problems."""
    personas: PersonaSettings = PersonaSettings()
    """Personas."""
    training: TrainingSettings = TrainingSettings()
    """PerMix-RLVR."""
    evaluation: EvaluationSettings = EvaluationSettings()
    """Stability and fidelity."""
    promotion: PromotionSettings = PromotionSettings()
    """Gate and registry."""

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.organism.hidden_size % self.organism.heads:
            raise ValueError(
                f"organism.hidden_size ({self.organism.hidden_size}) must be a multiple of "
                f"organism.heads ({self.organism.heads})"
            )
        if self.training.arm == "permix" and self.training.mixing == "none":
            raise ValueError(
                "training.mixing is none: the permix arm mixes per_prompt or per_rollout; or set arm: rlvr"
            )
        return self


def load_profile(name_or_path: str, overrides: Iterable[str] = ()) -> Profile:
    """Read a profile by name (`organism` is `configs/organism.yaml`) or path, and apply `section.key=value` overrides.

    Values are read as YAML. Raises ProfileError naming the offending key and the nearest valid one.
    """
    path = Path(name_or_path)
    if path.suffix not in {".yaml", ".yml"}:
        path = CONFIGS / f"{name_or_path}.yaml"
    if not path.is_file():
        known = sorted(p.stem for p in CONFIGS.glob("*.yaml"))
        raise ProfileError(f"no profile {name_or_path!r}: {path} is not there; profiles: {', '.join(known)}")
    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
    except yaml.YAMLError as error:
        raise ProfileError(f"{path} is not YAML: {error}") from error
    if not isinstance(values, dict):
        raise ProfileError(f"{path} must hold keys and values, not a {type(values).__name__}")
    for override in overrides:
        _set_dotted(values, override)
    return parse_profile(values, where=str(path))


def parse_profile(values: Mapping[str, Any], where: str = "profile") -> Profile:
    """Validate plain values; raises ProfileError with one line an error."""
    try:
        return Profile.model_validate(values)
    except ValidationError as error:
        lines = [_explain(dict(item)) for item in error.errors()]
        raise ProfileError("\n".join(f"{where}: {line}" for line in lines)) from error


def digest(*parts: Any) -> str:
    """Digest of plain values, models and strings: the key under which a stage's result is kept."""
    plain = [part.model_dump(mode="json") if isinstance(part, BaseModel) else part for part in parts]
    return hashlib.sha256(json.dumps(plain, sort_keys=True).encode()).hexdigest()


def _set_dotted(values: dict[str, Any], override: str) -> None:
    key, separator, text = override.partition("=")
    if not separator or not key:
        raise ProfileError(f"--set {override!r}: expected section.key=value, as in training.steps=50")
    *parents, leaf = key.split(".")
    for parent in parents:
        values = values.setdefault(parent, {})
        if not isinstance(values, dict):
            raise ProfileError(f"--set {override!r}: {parent} has no keys of its own")
    try:
        values[leaf] = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ProfileError(
            f"--set {override!r}: {text!r} is not a YAML value; quote it, or mend it: {error}"
        ) from error


def _explain(error: dict[str, Any]) -> str:
    key = ".".join(str(part) for part in error["loc"])
    if error["type"] != "extra_forbidden":
        return f"{key}: {error['msg']} (got {error['input']!r})" if key else str(error["msg"])
    # The tag of a discriminated union ("file") is part of pydantic's loc but not of the user's key.
    valid = sorted(_fields_at(error["loc"][:-1]))
    near = difflib.get_close_matches(str(error["loc"][-1]), valid, n=1, cutoff=0.5)
    hint = f"did you mean {near[0]!r}?" if near else f"valid keys: {', '.join(valid)}"
    return f"{key}: unknown key; {hint}"


def _fields_at(location: tuple[str | int, ...]) -> set[str]:
    """Names of the fields valid at a place in the profile."""
    models: set[type[BaseModel]] = {Profile}
    for part in location:
        inner = {
            m
            for model in models
            if part in model.model_fields
            for m in _models_in(model.model_fields[str(part)].annotation)
        }
        # A list index or a union tag does not lead to another model; a tag narrows the union.
        tagged = {
            m for m in models if "kind" in m.model_fields and part in typing.get_args(m.model_fields["kind"].annotation)
        }
        models = inner or tagged or models
    return {name for model in models for name in model.model_fields}


def _models_in(annotation: Any) -> set[type[BaseModel]]:
    if isinstance(annotation, type) and not isinstance(annotation, types.GenericAlias):
        return {annotation} if issubclass(annotation, BaseModel) else set()
    return {model for argument in typing.get_args(annotation) for model in _models_in(argument)}
