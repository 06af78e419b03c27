"""One model's evaluation: it is asked what the protocol says, and its answers become a scorecard."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from permix.config import EvaluationSettings
from permix.evaluation.answers import Answer, Task, outcomes, ungradable
from permix.evaluation.fidelity import measure_fidelity, score_roleplay, score_solving, voice_means
from permix.evaluation.intervals import mean_estimate
from permix.evaluation.protocol import Protocol, chat
from permix.evaluation.scorecard import KindScore, PersonaScore, Scorecard
from permix.evaluation.stability import Outcomes, measure_stability
from permix.generation.completion import Completion, Generate, Sampling
from permix.personas.schema import NEUTRAL, Persona
from permix.problems.schema import Problem
from permix.verifier import verify


def ask(generate: Generate, protocol: Protocol) -> list[Answer]:
    """Put everything to the model and judge what it says."""
    sampling = Sampling(
        protocol.max_tokens, temperature=protocol.temperature, samples=protocol.samples, seed=protocol.seed
    )
    greedy = replace(sampling, temperature=0.0, samples=1)
    asked = [(persona, problem) for persona in (NEUTRAL, *protocol.personas) for problem in protocol.problems]
    sampled = generate([chat(persona, problem.question) for persona, problem in asked], sampling)
    answers = _problem_answers("problem", asked, sampled)
    plain = [(NEUTRAL, problem) for problem in protocol.problems]
    answers += _problem_answers("greedy", plain, generate([chat(NEUTRAL, p.question) for _, p in plain], greedy))
    # The role-play questions are the organism's, as is the judge: a persona without a known voice is not asked.
    roles = [(persona, question) for persona in protocol.roles for question in protocol.roleplay]
    replies = generate([chat(persona, question) for persona, question in roles], replace(sampling, samples=1))
    answers += [
        _answer("roleplay", question, persona, question, 0, reply, score_roleplay(reply.text, persona))
        for (persona, question), (reply,) in zip(roles, replies, strict=True)
    ]
    return answers


def make_scorecard(
    answers: Sequence[Answer], protocol: Protocol, settings: EvaluationSettings, model: str
) -> Scorecard:
    """The scorecard of a model (its digest) from its answers. Raises ValueError where nothing can be graded."""
    confidence, resamples = settings.confidence, settings.resamples
    solved = outcomes(answers)
    stability, accuracy = measure_stability(solved, resamples, confidence, protocol.seed)
    roleplay, solving = voice_means(answers, "roleplay"), voice_means(answers, "problem")
    personas = tuple(
        PersonaScore(
            id=persona.id,
            kind=persona.kind,
            text=persona.text,
            accuracy=accuracy[persona.id],
            roleplay=roleplay.get(persona.id),
            solving=solving.get(persona.id),
        )
        for persona in sorted(protocol.personas, key=lambda persona: (persona.kind, persona.id))
    )
    bad = ungradable(answers)
    left_out = tuple(sorted({answer.item for answer in bad}))
    greedy = [answer for answer in answers if answer.task == "greedy" and answer.item not in left_out]
    written = [answer for answer in answers if answer.task == "problem"]
    return Scorecard(
        model=model,
        protocol=protocol.digest,
        problems=len(solved.problems),
        ungradable=len(bad),
        problems_left_out=left_out,
        samples=protocol.samples,
        temperature=protocol.temperature,
        confidence=confidence,
        cut=float(np.mean([not answer.finished for answer in written])),
        neutral_greedy=float(np.mean([answer.verdict == "correct" for answer in greedy])),
        stability=stability,
        fidelity=measure_fidelity(answers, protocol.personas, resamples, confidence, protocol.seed),
        personas=personas,
        kinds=_kinds(personas, solved, settings, protocol.seed),
    )


def _problem_answers(
    task: Task, asked: Sequence[tuple[Persona, Problem]], completions: Sequence[Sequence[Completion]]
) -> list[Answer]:
    rows = [
        (persona, problem, sample, completion)
        for (persona, problem), drawn in zip(asked, completions, strict=True)
        for sample, completion in enumerate(drawn)
    ]
    verdicts = verify([row[3].text for row in rows], [row[1].gold for row in rows])
    return [
        replace(
            _answer(
                task, problem.id, persona, problem.question, sample, completion, score_solving(completion.text, persona)
            ),
            gold=problem.gold,
            verdict=verdict.verdict,
            answer=verdict.answer,
            reason=verdict.reason,
        )
        for (persona, problem, sample, completion), verdict in zip(rows, verdicts, strict=True)
    ]


def _answer(
    task: Task, item: str, persona: Persona, question: str, sample: int, completion: Completion, voice: float | None
) -> Answer:
    return Answer(
        task=task,
        item=item,
        persona=persona.id,
        kind=persona.kind,
        sample=sample,
        question=question,
        completion=completion.text,
        tokens=completion.tokens,
        finished=completion.finished,
        voice=voice,
    )


def _kinds(
    personas: Sequence[PersonaScore], solved: Outcomes, settings: EvaluationSettings, seed: int
) -> dict[str, KindScore]:
    """The mean over the personas of each kind; intervals over problems."""
    kinds = {}
    for kind in sorted({persona.kind for persona in personas}):
        members = [persona for persona in personas if persona.kind == kind]
        columns = [solved.personas.index(persona.id) for persona in members]
        rates = solved.correct[:, columns].mean(axis=(1, 2))
        rng = np.random.default_rng(seed)
        kinds[kind] = KindScore(
            personas=len(members),
            accuracy=mean_estimate(rates, settings.resamples, settings.confidence, rng),
            roleplay=_mean([persona.roleplay for persona in members]),
            solving=_mean([persona.solving for persona in members]),
        )
    return kinds


def _mean(values: Sequence[float | None]) -> float | None:
    measured = [value for value in values if value is not None]
    return float(np.mean(measured)) if measured else None
