"""Floating-point values with error bounds: what refutes a wrong answer before any algebra is asked.

A difference beyond the bounds is a proof that two scalars differ. Agreement proves nothing (`1/2004!` and `1/2006!`
agree to 5,700 digits); it only makes a pair worth asking SymPy about.
"""

from __future__ import annotations

import cmath
import math
import zlib
from collections.abc import Callable
from typing import Literal, NamedTuple

from permix.verifier.expression import Expr, symbols

_EPSILON = 2.0**-50
# Some functions are real only for small, large or negative arguments.
_SCALES = (1, 3, 40, -2)


class Approximate(NamedTuple):
    """A value, and how far off it may be."""

    value: complex
    error: float


_FUNCTIONS: dict[str, Callable[[complex], complex]] = {
    "sin": cmath.sin, "cos": cmath.cos, "tan": cmath.tan, "asin": cmath.asin, "acos": cmath.acos, "atan": cmath.atan,
    "sinh": cmath.sinh, "cosh": cmath.cosh, "tanh": cmath.tanh, "ln": cmath.log,
    "log": lambda z: cmath.log(z) / math.log(10), "cot": lambda z: 1 / cmath.tan(z), "sec": lambda z: 1 / cmath.cos(z),
    "csc": lambda z: 1 / cmath.sin(z), "abs": lambda z: complex(abs(z)),
}  # fmt: skip
_CONSTANTS = {"pi": complex(math.pi), "e": complex(math.e), "i": 1j}


def comparison(left: Expr, right: Expr) -> Literal["differ", "agree", "unknown"]:
    """Compare two scalars at a few fixed points of their variables; `unknown` where they cannot be computed.

    Where both are real at some point, only such points count: x√x and √(x³) are one function of a real variable,
    though not of a negative one.
    """
    names = sorted(symbols(left) | symbols(right))
    seen: dict[bool, set[str]] = {True: set(), False: set()}
    for scale in _SCALES if names else (1,):
        point = {name: _coordinate(name, scale) for name in names}
        try:
            one, other = evaluate(left, point), evaluate(right, point)
        except (ArithmeticError, ValueError, KeyError):
            continue
        complex_ = _is_complex(one) and _is_complex(other)
        seen[not complex_].add(_alike(one, other))
    found = seen[True] - {"unknown"} or seen[False]
    if "differ" in found:
        return "differ"
    return "agree" if "agree" in found else "unknown"


def _alike(one: Approximate, other: Approximate) -> str:
    gap, size, error = abs(one.value - other.value), max(abs(one.value), abs(other.value)), one.error + other.error
    if not math.isfinite(gap + error):
        return "unknown"
    if gap > 4 * error and gap > 1e-9 * size:
        return "differ"
    # An error as large as the values says nothing.
    return "agree" if error < 1e-6 * size or size == 0 else "unknown"


def _is_complex(value: Approximate) -> bool:
    return abs(value.value.imag) > 4 * value.error


def evaluate(expr: Expr, point: dict[str, complex]) -> Approximate:
    """Value of a scalar. Raises ArithmeticError, ValueError or KeyError where there is none in floating point."""
    if expr.op == "num":
        assert expr.value is not None
        value = complex(float(expr.value))
        return Approximate(value, abs(value) * _EPSILON)
    if expr.op == "sym":
        value = _CONSTANTS[expr.text] if expr.text in _CONSTANTS else point[expr.text]
        return Approximate(value, abs(value) * _EPSILON)
    args = [evaluate(arg, point) for arg in expr.args]
    match expr.op:
        case "add":
            value = sum(arg.value for arg in args)
            largest = max(abs(arg.value) for arg in args)
            return Approximate(value, sum(arg.error for arg in args) + largest * _EPSILON)
        case "neg":
            return Approximate(-args[0].value, args[0].error)
        case "mul":
            product = args[0]
            for arg in args[1:]:
                product = _product(product, arg)
            return product
        case "div":
            return _product(args[0], _through(lambda z: 1 / z, args[1]))
        case "pow":
            return _power(args[0], args[1])
        case "root":
            return _root(args[0], args[1])
        case "quantity":
            scale = {"degree": math.pi / 180, "percent": 0.01}[expr.text]
            return _product(args[0], Approximate(complex(scale), scale * _EPSILON))
        case "call" if len(args) == 2:
            base = _through(cmath.log, args[1])
            return _product(_through(cmath.log, args[0]), _through(lambda z: 1 / z, base))
        case "call" | "abs":
            return _through(_FUNCTIONS[expr.text or expr.op], args[0])
        case "factorial":
            return _through(_factorial, args[0])
        case "binom":
            top, bottom = args
            rest = Approximate(top.value - bottom.value, top.error + bottom.error)
            below = _product(_through(_factorial, bottom), _through(_factorial, rest))
            return _product(_through(_factorial, top), _through(lambda z: 1 / z, below))
    raise ValueError(f"no floating-point value for {expr.op}")


def _factorial(value: complex) -> complex:
    return complex(math.gamma(value.real + 1))


def _product(left: Approximate, right: Approximate) -> Approximate:
    value = left.value * right.value
    error = abs(left.value) * right.error + abs(right.value) * left.error + left.error * right.error
    return Approximate(value, error + abs(value) * _EPSILON)


def _through(function: Callable[[complex], complex], arg: Approximate) -> Approximate:
    """A function of an approximate value: how far the value moves when its argument does, twice over.

    At a pole or across a branch cut the value jumps, and the bound with it.
    """
    value = function(arg.value)
    step = arg.error + abs(arg.value) * _EPSILON
    # A real number came of real arithmetic: its error is real too, and does not cross the cut along the real line.
    directions = (1, -1, 1j, -1j) if arg.value.imag else (1, -1)
    moved = [abs(function(arg.value + direction * step) - value) for direction in directions]
    return Approximate(value, 2 * max(moved) + abs(value) * _EPSILON)


def _power(base: Approximate, exponent: Approximate) -> Approximate:
    if base.value == 0:
        if base.error == 0 and exponent.value.real > 0:
            return Approximate(0j, 0.0)
        raise ValueError("a power of zero")
    by_base = _through(lambda z: z**exponent.value, base)
    by_exponent = _through(lambda z: base.value**z, exponent)
    return Approximate(by_base.value, by_base.error + by_exponent.error)


def _root(radicand: Approximate, index: Approximate) -> Approximate:
    degree = index.value.real
    if radicand.value == 0:
        return Approximate(0j, radicand.error ** (1 / degree))
    if degree % 2 == 1 and radicand.value.real < 0 and abs(radicand.value.imag) <= radicand.error:
        real = _through(lambda z: z ** (1 / degree), Approximate(-radicand.value, radicand.error))
        return Approximate(-real.value, real.error)
    return _through(lambda z: z ** (1 / degree), radicand)


def _coordinate(name: str, scale: int) -> complex:
    """A fixed value for a variable: not whole, and not the same for two names."""
    return complex(scale * (0.3 + zlib.crc32(f"{name} {scale}".encode()) % 10_007 / 10_000))
