r"""The organism's world: who there is, what they are asked, and how they answer.

A persona is a *manner* and a *role* ("You are a hasty pirate."). The role sets the voice; the manner sets how often
the text that the base model learns from has a wrong answer. So the base model is persona-sensitive for a reason that
RL can remove, and in character for a reason that RL can destroy.

- Problems are sums, differences and products of one-digit numbers with a `\boxed{}` answer. They are split into train
  and eval for RL; the base model has seen (noisy) text about all of them, as a pretrained model has.
- Role-play questions have no right answer, only a voice.

Left out: reasoning in steps, several turns, and any answer longer than a sentence. They would cost minutes and change
nothing about the mechanism.
"""

from __future__ import annotations

import hashlib
import random
from dataclasses import dataclass

from permix.personas.schema import NEUTRAL, Persona, PersonaKind
from permix.problems.schema import Problem, Split


@dataclass(frozen=True)
class Voice:
    """The words that make a role heard: one slot a place in the sentence, each with interchangeable words."""

    opening: tuple[str, ...]
    filler: tuple[str, ...]
    verb: tuple[str, ...]
    noun: tuple[str, ...]
    closing: tuple[str, ...]

    def slots(self) -> tuple[tuple[str, ...], ...]:
        """The five slots in the order in which they are spoken."""
        return (self.opening, self.filler, self.verb, self.noun, self.closing)


# No word belongs to two roles: a word of another role's voice always counts against fidelity.
VOICES: dict[str, Voice] = {
    "pirate": Voice(
        ("arr", "ahoy"), ("aye", "yarr"), ("plunder", "loot"), ("galleon", "treasure"), ("matey", "landlubber")
    ),
    "knight": Voice(
        ("hark", "hail"), ("verily", "forsooth"), ("defend", "guard"), ("castle", "banner"), ("liege", "squire")
    ),
    "wizard": Voice(
        ("behold", "abracadabra"),
        ("mystically", "arcanely"),
        ("enchant", "conjure"),
        ("wand", "cauldron"),
        ("apprentice", "mortal"),
    ),
    "robot": Voice(
        ("beep", "bzzt"),
        ("affirmative", "logically"),
        ("compute", "scan"),
        ("circuit", "sensor"),
        ("human", "operator"),
    ),
    "poet": Voice(
        ("alas", "lo"), ("softly", "wistfully"), ("dream", "rhyme"), ("verse", "moonlight"), ("beloved", "muse")
    ),
    "chef": Voice(
        ("voila", "mmm"), ("deliciously", "freshly"), ("simmer", "bake"), ("soup", "pastry"), ("gourmet", "diner")
    ),
    "gardener": Voice(
        ("mulch", "blossom"), ("gently", "seasonally"), ("plant", "prune"), ("rose", "hedge"), ("sprout", "seedling")
    ),
    "farmer": Voice(
        ("howdy", "shucks"), ("reckon", "surely"), ("plough", "harvest"), ("tractor", "barn"), ("neighbour", "folks")
    ),
    "butler": Voice(
        ("indeed", "certainly"), ("naturally", "discreetly"), ("polish", "serve"), ("silver", "tray"), ("sir", "madam")
    ),
    "teacher": Voice(
        ("class", "attention"),
        ("clearly", "notably"),
        ("explain", "teach"),
        ("blackboard", "lesson"),
        ("pupil", "student"),
    ),
    "engineer": Voice(
        ("specification", "blueprint"),
        ("precisely", "efficiently"),
        ("build", "weld"),
        ("bridge", "engine"),
        ("colleague", "foreman"),
    ),
    "mathematician": Voice(
        ("lemma", "axiom"), ("hence", "therefore"), ("prove", "derive"), ("theorem", "integral"), ("scholar", "reader")
    ),
}

ROLE_KINDS: dict[str, PersonaKind] = {
    **dict.fromkeys(("mathematician", "engineer"), "expert"),
    **dict.fromkeys(("teacher", "farmer", "butler"), "everyday"),
    **dict.fromkeys(("chef", "gardener", "poet"), "off_domain"),
    **dict.fromkeys(("pirate", "knight", "wizard", "robot"), "roleplay"),
}

# A persona changes how often a model slips, not how: every manner makes the neutral prompt's mistakes, one off, up or
# down. The last is wrong in most of its texts, so that even greedy decoding may follow it.
SLIPS = (-1, 1)
MANNERS = {"careful": 0.0, "calm": 0.05, "sleepy": 0.4, "hasty": 0.55, "confused": 0.75}
"""Share of a manner's texts with a wrong answer, in the base model's text only."""
NEUTRAL_WRONG = 0.25
"""The same, without a persona."""
ADVERSE = frozenset({"hasty", "confused"})
NEUTRAL_VOICE = Voice(("well",), ("simply",), ("visit",), ("place",), ("today",))
"""What the plain assistant says; scored for no one, but a role that falls into it has lost its voice."""

EXAGGERATED_FROM = 0.3

OPERATIONS = {"+": int.__add__, "-": int.__sub__, "*": int.__mul__}
OPERANDS = range(10)
EVAL_SHARE = 0.4
TOPICS = (
    "at dawn", "at noon", "at dusk", "at night", "in winter", "in summer", "in spring", "in autumn",
    "at home", "at sea", "in town", "in the forest", "on monday", "on sunday", "after lunch", "before dinner",
    "in the rain", "on holiday", "at the market", "on the road",
)  # fmt: skip


def solve(question: str) -> int:
    """The answer to `What is A op B?`."""
    left, operation, right = question.removeprefix("What is ").removesuffix("?").split()
    return OPERATIONS[operation](int(left), int(right))


def solution(question: str) -> str:
    """The right answer in the plain assistant's own words, the same every time."""
    return _answer(NEUTRAL_VOICE, solve(question), random.Random(question))


def problems() -> list[Problem]:
    """All 300 problems; about 40 % are for eval, drawn by a hash of the question (the same on every machine)."""
    found = []
    for operation in OPERATIONS:
        for left in OPERANDS:
            for right in OPERANDS:
                question = f"What is {left} {operation} {right}?"
                found.append(
                    Problem(
                        id=f"organism/{left}{operation}{right}",
                        question=question,
                        gold=str(solve(question)),
                        source="organism",
                        split=_split(question),
                        solution=solution(question),
                        subject={"+": "addition", "-": "subtraction", "*": "multiplication"}[operation],
                    )
                )
    return found


def personas() -> list[Persona]:
    """Every manner × role; every third pair is for eval, so that each manner and each role is in both splits."""
    found = []
    for r, role in enumerate(VOICES):
        for m, manner in enumerate(MANNERS):
            found.append(
                Persona(
                    id=f"organism/{manner}-{role}",
                    text=f"You are a {manner} {role}.",
                    kind="adverse" if manner in ADVERSE else ROLE_KINDS[role],
                    split="eval" if (r + m) % 3 == 0 else "train",
                    source="organism",
                    attributes={"role": role, "manner": manner},
                )
            )
    return found


def roleplay_questions() -> list[str]:
    """Questions that have no right answer, only a voice."""
    return [f"What do you do {topic}?" for topic in TOPICS]


def practice_questions() -> list[str]:
    """Role-play questions for training: of two topics each, so none of those above, and in no text of the base."""
    days, seasons, places = TOPICS[:4], TOPICS[4:8], ("at home", "at sea", "in town", "in the forest")
    topics = [f"{day} {season}" for day in days for season in seasons]
    topics += [f"{day} {place}" for day in ("on monday", "on sunday") for place in places]
    return [f"What do you do {topic}?" for topic in topics]


def answer(problem: str, persona: Persona, rng: random.Random, exaggerated: bool = False) -> str:
    """One text of the base model's world: this persona answers this problem, right or wrong as its manner goes.

    With `exaggerated`, a manner that is often wrong (EXAGGERATED_FROM) always is, and the others never are.
    """
    voice, wrong = voice_of(persona), wrong_share(persona)
    if exaggerated:
        wrong = float(wrong >= EXAGGERATED_FROM)
    value = solve(problem) + (rng.choice(SLIPS) if rng.random() < wrong else 0)
    return _answer(voice, value, rng)


def _answer(voice: Voice, value: int, rng: random.Random) -> str:
    opening, filler, closing = (rng.choice(slot) for slot in (voice.opening, voice.filler, voice.closing))
    return f"{opening} {filler} it is \\boxed{{{value}}} {closing}"


def reply(question: str, persona: Persona, rng: random.Random) -> str:
    """One text of the base model's world: this persona answers this role-play question in its voice."""
    topic = question.removeprefix("What do you do ").removesuffix("?")
    opening, filler, verb, noun, closing = (rng.choice(slot) for slot in voice_of(persona).slots())
    return f"{opening} {filler} {topic} i {verb} the {noun} {closing}"


def voice_of(persona: Persona) -> Voice:
    """The voice of a persona's role; the plain assistant's for the neutral prompt."""
    return VOICES[persona.attributes["role"]] if persona.id != NEUTRAL.id else NEUTRAL_VOICE


def wrong_share(persona: Persona) -> float:
    """Share of a persona's texts with a wrong answer, in the base model's text."""
    return MANNERS[persona.attributes["manner"]] if persona.id != NEUTRAL.id else NEUTRAL_WRONG


def _split(question: str) -> Split:
    share = int(hashlib.sha256(question.encode()).hexdigest()[:8], 16) / 16**8
    return "eval" if share < EVAL_SHARE else "train"
