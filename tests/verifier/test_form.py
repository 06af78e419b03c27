"""Normal forms against SymPy: on random expressions they agree about what is equal."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from permix.verifier.algebra import build
from permix.verifier.expression import Expr, number
from permix.verifier.form import Form, Forms, UndecidedError
from permix.verifier.lexer import NotAValueError
from permix.verifier.numeric import comparison
from permix.verifier.parser import parse

LEAVES = st.one_of(
    st.integers(-6, 6).map(number),
    st.sampled_from(["x", "y", "pi", "i"]).map(lambda name: Expr("sym", text=name)),
    st.sampled_from([2, 3, 6, 8, 12]).map(lambda n: Expr("root", (number(n), number(2)))),
    st.sampled_from([2, 4, 16]).map(lambda n: Expr("root", (number(n), number(3)))),
)


def branches(children: st.SearchStrategy[Expr]) -> st.SearchStrategy[Expr]:
    pairs = st.tuples(children, children)
    return st.one_of(
        pairs.map(lambda args: Expr("add", args)),
        pairs.map(lambda args: Expr("mul", args)),
        pairs.map(lambda args: Expr("div", args)),
        children.map(lambda arg: Expr("neg", (arg,))),
        st.tuples(children, st.integers(-2, 3).map(number)).map(lambda args: Expr("pow", args)),
    )


EXPRESSIONS = st.recursive(LEAVES, branches, max_leaves=6)


def form(expr: Expr, forms: Forms) -> Form | None:
    try:
        return forms.of(expr)
    except (NotAValueError, UndecidedError):
        return None


@settings(max_examples=300, deadline=None, derandomize=True)
@given(EXPRESSIONS, EXPRESSIONS)
def test_forms_agree_with_sympy(left: Expr, right: Expr) -> None:
    import sympy

    forms = Forms()
    one, other = form(left, forms), form(right, forms)
    if one is None or other is None:
        return
    ours = forms.equal(one, other)
    difference = sympy.simplify(sympy.expand(sympy.radsimp(build(left) - build(right))))
    assert ours == (difference == 0), (left, right, difference)


@settings(max_examples=300, deadline=None, derandomize=True)
@given(EXPRESSIONS)
def test_a_form_does_not_depend_on_the_order_of_work(expr: Expr) -> None:
    """(e + 1)² - 1 is e² + 2e, whatever e is."""
    forms = Forms()
    one = Expr("add", (Expr("pow", (Expr("add", (expr, number(1))), number(2))), number(-1)))
    other = Expr("add", (Expr("mul", (expr, expr)), Expr("mul", (number(2), expr))))
    left, right = form(one, forms), form(other, forms)
    if left is not None and right is not None:
        assert forms.equal(left, right) is True


@settings(max_examples=300, deadline=None, derandomize=True)
@given(EXPRESSIONS, EXPRESSIONS)
def test_floating_point_never_refutes_what_forms_prove(left: Expr, right: Expr) -> None:
    forms = Forms()
    one, other = form(left, forms), form(right, forms)
    if one is not None and other is not None and forms.equal(one, other):
        assert comparison(left, right) != "differ"


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("2^{10}", Fraction(1024)),
        (r"\frac{6}{4}", Fraction(3, 2)),
        (r"\sqrt{16}", Fraction(4)),
        (r"\sqrt[3]{-8}", Fraction(-2)),
        (r"\frac{\sqrt{2}}{\sqrt{8}}", Fraction(1, 2)),
        (r"\sum_{k=1}^{100} k", Fraction(5050)),
        (r"\prod_{k=1}^{5} k", Fraction(120)),
        (r"\binom{10}{3}", Fraction(120)),
        ("i^{2}", Fraction(-1)),
        (r"\lfloor 7.5 \rfloor", Fraction(7)),
        ("0^0", None),
        (r"\sqrt{2}", None),
        (r"\sin 0", None),
    ],
)
def test_rational_values(text: str, value: Fraction | None) -> None:
    try:
        found = Forms().of(parse(text)[0]).rational
    except NotAValueError:
        found = None
    assert found == value


@pytest.mark.parametrize("text", ["9^{9^{9}}", "3001!", r"\sum_{k=1}^{9999} k", "(a+b+c+d)^{60}", r"2^{10^{10^{10}}}"])
def test_bounds(text: str) -> None:
    with pytest.raises(UndecidedError):
        Forms().of(parse(text)[0])
