"""Unions of intervals and points on the real line, in one order and without needless seams."""

from __future__ import annotations

from typing import NamedTuple

from permix.verifier.expression import Expr
from permix.verifier.numeric import evaluate


class Piece(NamedTuple):
    """An interval; a point is closed with equal ends."""

    start: float
    stop: float
    closed: tuple[bool, bool]
    low: Expr
    high: Expr


Region = list[Piece]


def region(expr: Expr) -> Region | None:
    """Pieces of a union from left to right, merged where they touch; None if it is no region of the real line."""
    pieces = _pieces(expr)
    if pieces is None:
        return None
    merged: Region = []
    for piece in sorted(pieces, key=lambda piece: (piece.start, not piece.closed[0])):
        last = merged[-1] if merged else None
        touches = last is not None and (
            piece.start < last.stop or (piece.start == last.stop and (piece.closed[0] or last.closed[1]))
        )
        if last is None or not touches:
            merged.append(piece)
        elif (piece.stop, piece.closed[1]) > (last.stop, last.closed[1]):
            merged[-1] = Piece(last.start, piece.stop, (last.closed[0], piece.closed[1]), last.low, piece.high)
    return merged


def _pieces(expr: Expr) -> Region | None:
    if expr.op == "union":
        parts = [_pieces(arg) for arg in expr.args]
        return None if None in parts else [piece for part in parts if part is not None for piece in part]
    if expr.op == "set":
        points = [(_place(item), item) for item in expr.args]
        return [Piece(at, at, (True, True), item, item) for at, item in points if at is not None]
    if expr.op == "minus":
        whole, holes = region(expr.args[0]), region(expr.args[1])
        if whole is None or holes is None:
            return None
        for hole in holes:
            whole = [part for piece in whole for part in _without(piece, hole)]
        return whole
    if expr.op == "tuple" and len(expr.args) == 2:
        low, high = expr.args
        start, stop = _place(low), _place(high)
        if start is None or stop is None or start >= stop:
            return None
        return [Piece(start, stop, (expr.text[0] == "[", expr.text[1] == "]"), low, high)]
    return None


def _without(piece: Piece, hole: Piece) -> Region:
    """A piece less a hole: what is left of it, and what is right of it. Where they meet, one of them is open."""
    if hole.stop < piece.start or hole.start > piece.stop:
        return [piece]
    left = piece._replace(stop=hole.start, high=hole.low, closed=(piece.closed[0], not hole.closed[0]))
    right = piece._replace(start=hole.stop, low=hole.high, closed=(not hole.closed[1], piece.closed[1]))
    return [part for part in (left, right) if part.start < part.stop or (part.start == part.stop and all(part.closed))]


def _place(expr: Expr) -> float | None:
    """Where an end of an interval lies; None if it is no constant real."""
    if expr.op == "neg" and expr.args[0].text == "oo":
        return float("-inf")
    if expr.text == "oo":
        return float("inf")
    try:
        value = evaluate(expr, {}).value
    except (ArithmeticError, ValueError, KeyError):
        return None
    return value.real if value.imag == 0 else None
