"""Persona attribution: which persona wrote this? Fidelity without a judge.

A frozen reference model has read each reply under its own persona, under other candidates and under the neutral prompt
(`permix.fidelity.reader`): log p(reply | system prompt, question). From these follow, for each reply,

- *attribution*: 1 where it is likeliest under the persona that was asked, else 0; n candidates that tie for the first
  place share it. Chance is 1/K among K candidates. The neutral prompt is no candidate: where a model plays no persona,
  some persona's likelihood is the highest by chance, and the figure then is 1/K; with the neutral prompt among them it
  would be anything below.
- *expressivity*: the log-likelihood ratio to the neutral prompt, nats a token. Positive: its persona explains the
  reply better than none does.
- *reciprocal rank* of the persona that was asked among the K candidates (Voorhees 1999).

Length: a longer reply is more evidence, so the main figures read the first COMMON tokens of every reply, and a model is
not better for talking on. A shorter reply counts as it is: who says less shows less. The same on the whole replies
stands beside it.

A figure is the mean over personas of each one's mean, with an interval over personas.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import inf

import numpy as np

from permix.personas.schema import NEUTRAL
from permix.statistics.intervals import mean_estimate
from permix.statistics.value import Estimate, Value

COMMON = 32
"""Tokens of a reply, at most, that the main figures look at."""
TIE = 1e-6
"""Nats within which two candidates are equally likely: those with the same text."""
RECITES = 0.25
"""Share of copied words from which a model is said to recite its prompts (docs/evaluation.md has the measurements)."""
NOBODY = "nobody"
"""What an empty reply is attributed to, in the confusion table."""


@dataclass(frozen=True)
class Reply:
    """What a model said under a persona."""

    persona: str
    """Id of the persona that was asked."""
    question: str
    text: str


@dataclass(frozen=True)
class Reading:
    """A reply as the reference model found it."""

    reply: Reply
    log_probs: Mapping[str, tuple[float, ...]]
    """Log-probability (nats) of each token of the reply, in order, by candidate's id: the persona that was asked, the
    others, and the neutral prompt under `neutral`. One that was far behind is shorter: it was not read to the end."""
    ends: tuple[int, ...] = ()
    """Where each token that was read ends in the text, in characters."""
    copied: float = 0.0
    """Share of its words that are copied from its persona's prompt (`permix.fidelity.copied`)."""
    cut: bool = False
    """Whether the reply goes on after what was read."""

    @property
    def tokens(self) -> int:
        """Tokens that were read, by the reference's tokenizer; 0 for an empty reply."""
        return len(self.log_probs[self.reply.persona])

    @property
    def candidates(self) -> tuple[str, ...]:
        """Ids of the personas it may be attributed to, sorted."""
        return tuple(sorted(set(self.log_probs) - {NEUTRAL.id}))

    def likelihood(self, candidate: str, length: int | None = None) -> float | None:
        """Log-likelihood (nats) of the first `length` tokens; None where the candidate was not read so far."""
        needed = self.tokens if length is None else min(length, self.tokens)
        read = self.log_probs[candidate]
        return float(sum(read[:needed])) if len(read) >= needed else None

    def likeliest(self, length: int | None = None) -> tuple[str, ...]:
        """The candidates under which it is likeliest, more than one where they tie; none for an empty reply."""
        if not self.tokens:
            return ()
        found = {name: self.likelihood(name, length) for name in self.candidates}
        best = max(value for value in found.values() if value is not None)
        return tuple(name for name, value in found.items() if value is not None and value >= best - TIE)

    def attributed(self, length: int | None = None) -> float:
        """1 where it is attributed to the persona that was asked, 0 where not, a part where candidates tie."""
        likeliest = self.likeliest(length)
        return 1 / len(likeliest) if self.reply.persona in likeliest else 0.0

    def reciprocal_rank(self, length: int | None = None) -> float:
        """1 / place of the persona that was asked; the mean over the places that tied ones share; 0 for an empty reply.

        A candidate that was not read so far is compared on the tokens that it was read.
        """
        if not self.tokens:
            return 0.0
        if share := self.attributed(length):
            ahead, tied = 0, round(1 / share) - 1
        else:
            others = [name for name in self.candidates if name != self.reply.persona]
            leads = [self._lead(name, length) for name in others]
            ahead, tied = sum(lead > TIE for lead in leads), sum(abs(lead) <= TIE for lead in leads)
        return float(np.mean([1 / place for place in range(ahead + 1, ahead + tied + 2)]))

    def ratio(self, length: int | None = None) -> float:
        """Log-likelihood ratio to the neutral prompt, in nats: positive where the persona explains the reply better."""
        return -self._lead(NEUTRAL.id, length)

    def _lead(self, candidate: str, length: int | None) -> float:
        """How far (nats) a candidate is ahead of the persona that was asked, as far as it was read."""
        read = self.log_probs[candidate][:length]
        return float(sum(read) - sum(self.log_probs[self.reply.persona][: len(read)]))


class PersonaAttribution(Value):
    """What was found of one persona's replies, at the common length."""

    replies: int
    attribution: float
    """Share of its replies that are attributed to it."""
    expressivity: float
    """Nats a token, over all tokens of its replies together; 0 where all are empty."""
    reciprocal_rank: float
    copied: float
    """Mean share of its replies' words that are copied from its prompt."""


class Attribution(Value):
    """How well a reference model recognises who was asked, by the replies alone; see the module."""

    replies: int
    candidates: int
    """K: the persona that was asked and K - 1 others."""
    chance: float
    """1/K: the attribution of replies in which no persona is heard."""
    tokens: int
    """Common length: the figures look at so many tokens of a reply, at most."""
    attribution: Estimate
    """Share of the replies that are likeliest under the persona that was asked."""
    expressivity: Estimate
    """Log-likelihood ratio to the neutral prompt, nats a token."""
    reciprocal_rank: Estimate
    """Mean reciprocal rank of the persona that was asked."""
    attribution_whole: Estimate
    """Of the whole replies, as far as they were read."""
    expressivity_whole: Estimate
    copied: Estimate
    """Mean share of a reply's content words that are copied from its persona's prompt."""
    recites: bool
    """Whether so much is copied (RECITES or more) that attribution only says that the prompt is recited."""
    empty: int
    """Replies without a token: attributed to nobody."""
    short: int
    """Replies with fewer tokens than the common length, the empty ones included."""
    cut: int
    """Replies that were not read to their end."""
    pruned: float
    """Share of the candidates that were given up before the end of a reply."""
    confusion: dict[str, dict[str, float]]
    """By persona that was asked: how many of its replies were taken for which; ties are shared out. Ids sorted, without
    zeros; `nobody` for the empty ones."""
    by_persona: dict[str, PersonaAttribution]
    """By id."""


def measure_attribution(
    readings: Sequence[Reading], resamples: int, confidence: float, seed: int, tokens: int = COMMON
) -> Attribution:
    """All figures of some replies, at a common length of `tokens`.

    Raises ValueError where there are replies of fewer than two personas, or readings among different numbers of
    candidates, or among fewer than two.
    """
    by_persona: dict[str, list[Reading]] = {}
    for reading in readings:
        by_persona.setdefault(reading.reply.persona, []).append(reading)
    if len(by_persona) < 2:
        raise ValueError(
            f"attribution needs replies of two personas at least, and there are {len(by_persona)}: evaluate with more "
            "personas of split eval"
        )
    sizes = {len(reading.candidates) for reading in readings}
    if len(sizes) > 1 or min(sizes) < 2:
        raise ValueError(f"every reply needs the same number of candidates, two or more; there are {sorted(sizes)}")
    candidates = sizes.pop()
    names = sorted(by_persona)

    def over_personas(figure: Callable[[list[Reading]], float], low: float, high: float) -> Estimate:
        values = np.array([figure(by_persona[name]) for name in names])
        return mean_estimate(values, resamples, confidence, np.random.default_rng(seed), (low, high))

    copied = over_personas(_copied, 0, 1)
    others = [
        len(read) < reading.tokens
        for reading in readings
        for name, read in reading.log_probs.items()
        if name not in (NEUTRAL.id, reading.reply.persona)
    ]
    return Attribution(
        replies=len(readings),
        candidates=candidates,
        chance=1 / candidates,
        tokens=tokens,
        attribution=over_personas(lambda given: _attributed(given, tokens), 0, 1),
        expressivity=over_personas(lambda given: _expressivity(given, tokens), -inf, inf),
        reciprocal_rank=over_personas(lambda given: _reciprocal_rank(given, tokens), 0, 1),
        attribution_whole=over_personas(lambda given: _attributed(given, None), 0, 1),
        expressivity_whole=over_personas(lambda given: _expressivity(given, None), -inf, inf),
        copied=copied,
        recites=copied.value >= RECITES,
        empty=sum(reading.tokens == 0 for reading in readings),
        short=sum(reading.tokens < tokens for reading in readings),
        cut=sum(reading.cut for reading in readings),
        pruned=float(np.mean(others)),
        confusion={name: _taken_for(by_persona[name], tokens) for name in names},
        by_persona={
            name: PersonaAttribution(
                replies=len(by_persona[name]),
                attribution=_attributed(by_persona[name], tokens),
                expressivity=_expressivity(by_persona[name], tokens),
                reciprocal_rank=_reciprocal_rank(by_persona[name], tokens),
                copied=_copied(by_persona[name]),
            )
            for name in names
        },
    )


def candidate_sets(personas: Sequence[str], size: int, seed: int) -> list[tuple[str, ...]]:
    """Who a reply may be attributed to: sets of `size` ids; a persona's candidates are the first set that holds it.

    The ids in the order of a hash of (seed, id), cut into sets; the last is filled up from the beginning. So they are
    the same for every model, a persona's rivals are drawn by seed, and those of one set are read together. One set
    where there are no more than `size`. Raises ValueError for fewer than two ids, a size below two, or an id twice.
    """
    if len(personas) < 2 or size < 2:
        raise ValueError(
            f"a reply is attributed to one of two candidates at least: there are {len(personas)} personas, and "
            f"{size} may be candidates"
        )
    if len(set(personas)) < len(personas):
        raise ValueError("two personas have the same id; give each its own")
    order = sorted(personas, key=lambda name: hashlib.sha256(f"{seed}/{name}".encode()).hexdigest())
    size = min(size, len(order))
    sets = [order[start : start + size] for start in range(0, len(order), size)]
    sets[-1] += order[: size - len(sets[-1])]
    return [tuple(sorted(names)) for names in sets]


def _attributed(readings: Sequence[Reading], length: int | None) -> float:
    return float(np.mean([reading.attributed(length) for reading in readings]))


def _reciprocal_rank(readings: Sequence[Reading], length: int | None) -> float:
    return float(np.mean([reading.reciprocal_rank(length) for reading in readings]))


def _copied(readings: Sequence[Reading]) -> float:
    return float(np.mean([reading.copied for reading in readings]))


def _expressivity(readings: Sequence[Reading], length: int | None) -> float:
    tokens = sum(reading.tokens if length is None else min(length, reading.tokens) for reading in readings)
    return sum(reading.ratio(length) for reading in readings) / tokens if tokens else 0.0


def _taken_for(readings: Sequence[Reading], length: int) -> dict[str, float]:
    taken: dict[str, float] = {}
    for reading in readings:
        likeliest = reading.likeliest(length) or (NOBODY,)
        for name in likeliest:
            taken[name] = taken.get(name, 0.0) + 1 / len(likeliest)
    return dict(sorted(taken.items()))
