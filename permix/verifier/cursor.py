"""A place in an answer's tokens, which the grammar (parser.py, arithmetic.py) moves along."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from permix.verifier.lexer import NotAValueError, Token

MAX_DEPTH = 30
"""Nested groups; deeper than any answer, and far from Python's recursion limit."""


class Cursor:
    """Tokens, and how far they have been read. The last token has the kind `stop`."""

    def __init__(self, tokens: list[Token]) -> None:
        self.tokens = [*tokens, Token("stop", "")]
        self.at = 0
        self.depth = 0

    @property
    def kind(self) -> str:
        """Kind of the next token."""
        return self.tokens[self.at].kind

    def peek(self, ahead: int = 0) -> Token:
        """A token further on; the last one beyond the end."""
        return self.tokens[min(self.at + ahead, len(self.tokens) - 1)]

    def next(self) -> Token:
        """Read a token, whatever it is."""
        token = self.peek()
        self.at += 1
        return token

    def skip(self, *kinds: str) -> bool:
        """Read a token if it is of one of these kinds."""
        found = self.kind in kinds
        self.at += found
        return found

    def expect(self, *kinds: str) -> Token:
        """Read a token of one of these kinds. Raises NotAValueError if it is another."""
        if self.kind not in kinds:
            raise NotAValueError("not a value")
        return self.next()

    @contextmanager
    def deeper(self) -> Iterator[None]:
        """Count nesting, so that a tower of brackets ends in a reason and not in Python's recursion limit."""
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise NotAValueError("too complex")
        yield
        self.depth -= 1
