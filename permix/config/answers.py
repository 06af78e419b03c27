"""How an answer is asked for, and where in a completion it is read."""

from __future__ import annotations

from typing import Self

from pydantic import Field, field_validator, model_validator

from permix.config.section import Section
from permix.verifier.contradiction import contradiction
from permix.verifier.reading import BOXED, Place, Read, check_read

USUAL: dict[Place, str] = {
    "boxed": r"Please reason step by step, and put your final answer within \boxed{}.",
    "hashes": "Please reason step by step, and put your final answer after ####.",
    "phrase": 'Please reason step by step, and end with "The answer is" and your final answer.',
    "tag": "Please reason step by step, and put your final answer within <answer></answer>.",
    "choice": "Please reason step by step, and end with the letter of your final answer.",
    "number": "Please reason step by step, and end with your final answer as a number.",
}
"""The usual instruction, by the place where an answer is looked for first."""


class AnswerSettings(Section):
    """How an answer is asked for and where it is read: the same for reward, probes, evaluation, difficulty and
    the teacher's filter.
    """

    instruction: str | None = None
    """Stands after each question, on a line of its own. Empty: nothing is asked. null: the usual one, which asks for
    reasoning and for the answer in the first place of `read`; the organism, which knows no such words, gets none."""
    read: Read = Field(BOXED)
    """Where an answer may stand, in order of preference: the first place that holds one decides. `boxed` alone is the
    strict rule; docs/verifier.md has the rule and the error rates of each place."""

    _places = field_validator("read")(check_read)

    @model_validator(mode="after")
    def _read_as_asked(self) -> Self:
        if self.instruction and (why := contradiction(self.instruction, self.read)):
            raise ValueError(f"answers.instruction and answers.read contradict each other: {why}")
        return self

    def resolved(self, organism: bool) -> AnswerSettings:
        """The same with the instruction spelled out, for the organism or for any other model."""
        if self.instruction is not None:
            return self
        return self.model_copy(update={"instruction": "" if organism else USUAL[self.read[0]]})

    def asked(self, question: str) -> str:
        """What the user says: the question, and the instruction on a line of its own.

        Raises ValueError where the instruction was not resolved.
        """
        if self.instruction is None:
            raise ValueError("answers.instruction is null: call resolved() first")
        return f"{question}\n{self.instruction}" if self.instruction else question
