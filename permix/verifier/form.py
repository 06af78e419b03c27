"""Exact normal forms of scalars: what settles nearly every comparison without SymPy.

A form is a quotient of two polynomials with rational coefficients over *generators*: variables, π, e, ∞, i, and the
roots of primes, where i² = -1 and (p^(1/n))ⁿ = p are applied as soon as they arise. Distinct monomials in roots of
distinct primes are linearly independent over the rationals (Besicovitch 1940), so two forms are equal exactly if
their cross products are the same polynomial. Whatever else occurs (a sine, a nested root, 2ⁿ) becomes an opaque
generator: forms that agree are still equal, forms that differ may be equal all the same (`exact` is False).

Everything is bounded: the digits of a number, and the work done on one comparison.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from fractions import Fraction

from permix.verifier.expression import Expr
from permix.verifier.lexer import NotAValueError

MAX_BITS = 60_000
"""Longest number computed with: 18,000 digits; 2006! has 5,700."""
MAX_WORK = 20_000
"""Bound on one comparison, in products of small coefficients; a tenth of a second."""
MAX_RANGE = 1_000
"""Terms of a sum or product that are added up, and the argument of a factorial or binomial times three."""

# Whole exponents are ints: they hash ten times as fast.
Monomial = tuple[tuple[str, "int | Fraction"], ...]
Polynomial = dict[Monomial, Fraction]

_ONE: Monomial = ()
# Roots of prime p are written as powers of the generator "#p"; opaque generators are "@" and a number.
_SMALL_PRIMES_TO = 100_000
_LONGEST_FACTORED = 100


class UndecidedError(ValueError):
    """Two values can be neither shown equal nor told apart within the bounds; the message says why."""


@dataclass(frozen=True)
class Form:
    """top / bottom; bottom is not zero."""

    top: Polynomial
    bottom: Polynomial
    exact: bool = True

    @property
    def rational(self) -> Fraction | None:
        """The value, if it is a rational number."""
        if not self.top:
            return Fraction(0)
        if not self.exact or self.top.keys() != self.bottom.keys():
            return None
        ratios = {self.top[monomial] / self.bottom[monomial] for monomial in self.top}
        return ratios.pop() if len(ratios) == 1 else None


@dataclass
class Forms:
    """Normal forms for one comparison: its budget, and the opaque generators that its two sides share."""

    work: int = 0
    opaque: dict[object, str] = field(default_factory=dict)
    radicands: dict[str, tuple[Polynomial, int]] = field(default_factory=dict)

    def equal(self, left: Form, right: Form) -> bool | None:
        """Whether two forms are the same value; None where forms cannot tell."""
        if self._times(left.top, right.bottom) == self._times(right.top, left.bottom):
            return True
        return False if left.exact and right.exact else None

    def proportional(self, left: Form, right: Form) -> bool:
        """Whether the numerators are multiples of each other by a rational number: the same equation, set to zero."""
        if left.top.keys() != right.top.keys() or not left.top:
            return False
        return len({left.top[monomial] / right.top[monomial] for monomial in left.top}) == 1

    def of(self, expr: Expr, known: dict[str, Form] | None = None) -> Form:
        """The normal form of a scalar. Raises NotAValueError if it has none (1/0), UndecidedError past the bounds."""
        known = known or {}
        if expr.op == "num":
            assert expr.value is not None
            return self._constant(expr.value)
        if expr.op == "sym":
            return known[expr.text] if expr.text in known else _generator(expr.text)
        if expr.op in {"sum", "prod"}:
            return self._range(expr, known)
        args = [self.of(arg, known) for arg in expr.args]
        match expr.op:
            case "add":
                total = args[0]
                for arg in args[1:]:
                    total = self._plus(total, arg)
                return total
            case "mul":
                product = args[0]
                for arg in args[1:]:
                    product = self._product(product, arg)
                return product
            case "neg":
                return Form({key: -value for key, value in args[0].top.items()}, args[0].bottom, args[0].exact)
            case "div":
                return self._product(args[0], _inverse(args[1]))
            case "pow":
                return self._power(args[0], args[1])
            case "root":
                return self._root(args[0], args[1])
            case "quantity" if expr.text == "degree":
                return self._product(args[0], Form({(("pi", 1),): Fraction(1, 180)}, _unit()))
            case "quantity" if expr.text == "percent":
                return self._product(args[0], self._constant(Fraction(1, 100)))
            case "call":
                return self._atom(expr.text, *args)
            case "abs" | "floor" | "ceil" | "factorial" | "binom":
                return self._integer_function(expr.op, args)
        raise NotAValueError("not a value")

    # --- numbers

    def _constant(self, value: Fraction) -> Form:
        self._charge(value)
        return Form({_ONE: value} if value else {}, _unit())

    def _charge(self, *values: Fraction) -> None:
        """Count work in proportion to what arithmetic on numbers of this length costs."""
        bits = max(value.numerator.bit_length() + value.denominator.bit_length() for value in values)
        self.work += 1 + (bits // 512) ** 2 // 4
        if bits > MAX_BITS or self.work > MAX_WORK:
            raise UndecidedError("too large")

    def _integer_function(self, op: str, args: list[Form]) -> Form:
        values = [arg.rational for arg in args]
        if any(value is None for value in values):
            return self._atom(op, *args)
        first, second = values[0] or Fraction(0), values[-1] or Fraction(0)
        if op == "abs":
            return self._constant(abs(first))
        if op in {"floor", "ceil"}:
            return self._constant(Fraction(math.floor(first) if op == "floor" else math.ceil(first)))
        if first.denominator != 1 or second.denominator != 1 or first < 0 or second < 0:
            raise NotAValueError("not a value")
        if first > 3 * MAX_RANGE:
            raise UndecidedError("too large")
        whole = math.factorial(int(first)) if op == "factorial" else math.comb(int(first), int(second))
        return self._constant(Fraction(whole))

    def _range(self, expr: Expr, known: dict[str, Form]) -> Form:
        variable, first, last, body = expr.args
        start, stop = self.of(first, known).rational, self.of(last, known).rational
        if start is None or stop is None:
            return self._atom(expr.op, *(self.of(arg, known) for arg in expr.args))
        if start.denominator != 1 or stop.denominator != 1:
            raise NotAValueError("not a value")
        if stop - start > MAX_RANGE:
            raise UndecidedError("too large")
        total = self._constant(Fraction(0 if expr.op == "sum" else 1))
        for index in range(int(start), int(stop) + 1):
            term = self.of(body, known | {variable.text: self._constant(Fraction(index))})
            total = self._plus(total, term) if expr.op == "sum" else self._product(total, term)
        return total

    # --- quotients of polynomials

    def _plus(self, left: Form, right: Form) -> Form:
        exact = left.exact and right.exact
        if left.bottom == right.bottom:
            return Form(self._sum(left.top, right.top), left.bottom, exact)
        top = self._sum(self._times(left.top, right.bottom), self._times(right.top, left.bottom))
        return Form(top, self._times(left.bottom, right.bottom), exact)

    def _product(self, left: Form, right: Form) -> Form:
        top, bottom = self._times(left.top, right.top), self._times(left.bottom, right.bottom)
        if bottom.keys() == {_ONE} and bottom[_ONE] != 1:
            top, bottom = {key: value / bottom[_ONE] for key, value in top.items()}, _unit()
        return Form(top, bottom, left.exact and right.exact)

    def _power(self, base: Form, exponent: Form) -> Form:
        power = exponent.rational
        if power is None:
            return self._atom("pow", base, exponent)
        if not base.top and power <= 0:
            raise NotAValueError("not a value")
        if power.denominator == 1:
            if power < 0:
                base, power = _inverse(base), -power
            return Form(self._raised(base.top, int(power)), self._raised(base.bottom, int(power)), base.exact)
        # A sum, a negative number or i to a broken power has several values; which one is meant is SymPy's to say.
        if len(base.top) == len(base.bottom) == 1:
            (monomial, coefficient), (lower, divisor) = *base.top.items(), *base.bottom.items()
            top, bottom = self._rooted(monomial, coefficient, power), self._rooted(lower, divisor, power)
            if top is not None and bottom is not None:
                return self._product(Form(top, _unit(), base.exact), _inverse(Form(bottom, _unit())))
        return self._atom("pow", base, exponent)

    def _root(self, radicand: Form, index: Form) -> Form:
        degree = index.rational
        if degree is None or degree.denominator != 1 or not 2 <= degree <= 100:
            raise NotAValueError("not a value")
        value = radicand.rational
        if value is not None and value < 0:
            # The real root where there is one, as in \sqrt[3]{-8}, and i times the root of the opposite for a square.
            sign = {1: Form({_ONE: Fraction(-1)}, _unit()), 0: _generator("i")}[int(degree) % 2]
            if degree % 2 or degree == 2:
                return self._product(sign, self._root(self._constant(-value), index))
        if not radicand.top:
            return radicand
        if len(radicand.top) > 1 and radicand.bottom.keys() == {_ONE}:
            return self._nested_root(radicand, int(degree))
        return self._power(radicand, self._constant(1 / degree))

    def _nested_root(self, radicand: Form, degree: int) -> Form:
        """The root of a sum, as an opaque generator whose power is the sum; a common factor goes out first."""
        top = {key: value / radicand.bottom[_ONE] for key, value in radicand.top.items()}
        numerators = math.gcd(*(value.numerator for value in top.values()))
        common = Fraction(numerators, math.lcm(*(value.denominator for value in top.values())))
        primitive = {key: value / common for key, value in top.items()}
        atom = self._atom("root", Form(primitive, _unit()), self._constant(Fraction(degree)))
        ((generator, _),) = next(iter(atom.top))
        self.radicands[generator] = (primitive, degree)
        return self._product(atom, self._power(self._constant(common), self._constant(Fraction(1, degree))))

    def _rooted(self, monomial: Monomial, coefficient: Fraction, power: Fraction) -> Polynomial | None:
        """(coefficient · monomial)^power for a broken power; None where the value is not plain."""
        result = [(name, exponent * power) for name, exponent in monomial]
        for name, exponent in monomial:
            # √(x³) is x^(3/2), but √(x²) is |x|.
            plain = name[0] == "#" or name in {"pi", "e"} or exponent == 1 or (power.denominator == 2 and exponent % 2)
            if not plain or name[0] == "@" or name == "i":
                return None
        if coefficient < 0:
            return None
        for value, sign in ((coefficient.numerator, 1), (coefficient.denominator, -1)):
            factors = self._factors(value)
            if factors is None:
                return None
            result += [(f"#{prime}", sign * count * power) for prime, count in factors.items()]
        polynomial: Polynomial = {_ONE: Fraction(1)}
        for name, exponent in result:
            polynomial = self._times(polynomial, self._reduced(((name, exponent),), Fraction(1)))
        return polynomial

    def _factors(self, value: int) -> dict[int, int] | None:
        """Prime factors; None if they are too far to seek."""
        if value.bit_length() > _LONGEST_FACTORED:
            return None
        found: dict[int, int] = {}
        prime = 2
        while prime * prime <= value and prime < _SMALL_PRIMES_TO:
            while value % prime == 0:
                found[prime] = found.get(prime, 0) + 1
                value //= prime
            prime += 1 + prime % 2
        self.work += prime // 8
        if value >= _SMALL_PRIMES_TO**2:
            return None
        if value > 1:
            found[value] = found.get(value, 0) + 1
        return found

    def _atom(self, name: str, *args: Form) -> Form:
        """An opaque generator for a function of forms; the same for the same arguments."""
        content = (name, *((frozenset(arg.top.items()), frozenset(arg.bottom.items())) for arg in args))
        generator = self.opaque.setdefault(content, f"@{len(self.opaque)}")
        return Form({((generator, 1),): Fraction(1)}, _unit(), exact=False)

    # --- polynomials

    def _sum(self, left: Polynomial, right: Polynomial) -> Polynomial:
        total = dict(left)
        self._add_to(total, right)
        return total

    def _add_to(self, total: Polynomial, terms: Polynomial) -> None:
        for monomial, coefficient in terms.items():
            value = total.get(monomial, Fraction(0)) + coefficient
            self._charge(value)
            if value:
                total[monomial] = value
            else:
                total.pop(monomial, None)

    def _times(self, left: Polynomial, right: Polynomial) -> Polynomial:
        total: Polynomial = {}
        for one, first in left.items():
            for other, second in right.items():
                self._charge(first, second)
                if not one or not other:  # the common case: a number times something
                    parts = {one or other: first * second}
                else:
                    exponents = dict(one)
                    for name, exponent in other:
                        exponents[name] = exponents.get(name, 0) + exponent
                    parts = self._reduced(tuple(sorted(exponents.items())), first * second)
                self._add_to(total, parts)
        return total

    def _reduced(self, monomial: Monomial, coefficient: Fraction) -> Polynomial:
        """A monomial with i² = -1, (√p)² = p and the like applied."""
        kept: list[tuple[str, int | Fraction]] = []
        factors: list[Polynomial] = []
        for name, exponent in monomial:
            if name == "i" and exponent.denominator == 1:
                coefficient *= -1 if exponent % 4 >= 2 else 1
                exponent %= 2
            elif name[0] == "#":
                whole = math.floor(exponent)
                if abs(whole) * int(name[1:]).bit_length() > MAX_BITS:
                    raise UndecidedError("too large")
                coefficient *= Fraction(int(name[1:])) ** whole
                exponent -= whole
            elif name in self.radicands and exponent >= self.radicands[name][1]:
                radicand, degree = self.radicands[name]
                factors.append(self._raised(radicand, int(exponent // degree)))
                exponent %= degree
            if exponent:
                kept.append((name, exponent))
        self._charge(coefficient)
        polynomial: Polynomial = {tuple(kept): coefficient}
        for factor in factors:
            polynomial = self._times(polynomial, factor)
        return polynomial

    def _raised(self, polynomial: Polynomial, power: int) -> Polynomial:
        """A polynomial to a whole power."""
        if len(polynomial) == 1:
            ((monomial, coefficient),) = polynomial.items()
            bits = max(coefficient.numerator.bit_length(), coefficient.denominator.bit_length())
            # One and minus one to any power stay short.
            if (bits > 1 and bits * power > MAX_BITS) or power.bit_length() > 64:
                raise UndecidedError("too large")
            value = coefficient**power if bits > 1 else coefficient ** (power % 2)
            return self._reduced(tuple((name, exponent * power) for name, exponent in monomial), value)
        result: Polynomial = _unit()
        while power:
            if power & 1:
                result = self._times(result, polynomial)
            power >>= 1
            if power:
                polynomial = self._times(polynomial, polynomial)
        return result


def _unit() -> Polynomial:
    return {_ONE: Fraction(1)}


def _generator(name: str) -> Form:
    return Form({((name, 1),): Fraction(1)}, _unit())


def _inverse(form: Form) -> Form:
    if not form.top:
        raise NotAValueError("not a value")
    return Form(form.bottom, form.top, form.exact)
