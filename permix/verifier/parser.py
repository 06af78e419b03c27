r"""The grammar of answers: tokens in, expression out (expression.py has the vocabulary).

It is ours, and not latex2sympy2's, because that one reads bare golds wrong (`2\sqrt3` as 2, `2516_8` as 2516; see
docs/verifier.md) and builds SymPy objects, which evaluate as they are built: `9^{9^9}` would run before any limit
could be applied. Nothing here computes anything.
"""

from __future__ import annotations

import re
from fractions import Fraction

from permix.verifier.build import based, joined, name_of, negated, relate, variants
from permix.verifier.expression import REALS, Expr, number
from permix.verifier.lexer import NotAValueError, Token, plain_text, tokenize, words
from permix.verifier.units import unit

MAX_DEPTH = 30
"""Nested groups; deeper than any answer, and far from Python's recursion limit."""
_RELATIONS = {"=": "=", "in": "in", "<": "<", ">": ">", "le": "≤", "ge": "≥", "ne": "≠"}
_SEPARATING_WORD = re.compile(r",?\s*(?:or|and)\s*,?", re.IGNORECASE)
# A time of day is no ratio: 1:03 is not 2:06.
_TIME = re.compile(r"[0-9]{1,2}:(?:0[0-9]|[0-5][0-9](?=[ap]m))(?:[ap]m)?")
_MATRICES = frozenset({"matrix", "pmatrix", "bmatrix", "Bmatrix", "smallmatrix", "array"})
# What may follow a factor without a sign between: a product.
_JUXTAPOSED = words("sym pi infty function frac sqrt binom ( { overline lfloor lceil begin sum prod")


def parse(text: str) -> tuple[Expr, ...]:
    """Readings of an answer: nearly always one; two for `70,110`, a number or two solutions.

    Raises NotAValueError (its message is the reason) if it cannot be read, or is too complex to be an answer.
    """
    if _TIME.fullmatch(plain_text(text)):
        return (Expr("text", text=plain_text(text)),)
    tokens = tokenize(text)
    readings = [_Parser(tokens).answer()]
    listed = tokenize(text, thousands=False)
    if len(listed) != len(tokens):
        readings.append(_Parser(listed).answer())
    return tuple(readings)


class _Parser:
    """Recursive descent over one answer's tokens."""

    def __init__(self, tokens: list[Token]) -> None:
        while tokens and tokens[-1].kind in {".", ",", ";", "\\"}:
            tokens = tokens[:-1]
        self.tokens = [*tokens, Token("stop", "")]
        self.at = 0
        self.depth = 0

    # --- moving along

    @property
    def kind(self) -> str:
        return self.tokens[self.at].kind

    def next(self) -> Token:
        token = self.tokens[self.at]
        self.at += 1
        return token

    def skip(self, *kinds: str) -> bool:
        if self.kind in kinds:
            self.at += 1
            return True
        return False

    def expect(self, *kinds: str) -> Token:
        if self.kind not in kinds:
            raise NotAValueError("not a value")
        return self.next()

    # --- the whole: items, relations, sets

    def answer(self) -> Expr:
        items, separators = self.items()
        self.expect("stop")
        if len(items) == 1:
            return items[0]
        if separators == {"or"} and all(item.op == "named" and item.args[0].op == "tuple" for item in items):
            # x < 2 or x > 3
            return Expr("named", (Expr("union", tuple(item.args[0] for item in items)),), items[0].text)
        return Expr("list", tuple(items))

    def items(self) -> tuple[list[Expr], set[str]]:
        """Items up to what cannot continue them, each ± as two; and what separates them."""
        items = variants(self.relation())
        separators = set()
        while separator := self.separator():
            separators.add(separator)
            items += variants(self.relation())
        return items, separators

    def separator(self) -> str:
        found = ""
        while True:
            token = self.tokens[self.at]
            if token.kind in {",", ";"}:
                found = found or ","
            elif token.kind in {"word", "text"} and _SEPARATING_WORD.fullmatch(token.text):
                found = token.text.strip(", ").casefold()
            else:
                return found
            self.at += 1

    def relation(self) -> Expr:
        sides, relations, names = [], [], []
        while True:
            start = self.at
            sides.append(self.operand())
            names.append(name_of(sides[-1], self.tokens[start : self.at]))
            if self.kind not in _RELATIONS:
                break
            relations.append(_RELATIONS[self.next().kind])
        return relate(sides, relations, names) if relations else sides[0]

    def operand(self) -> Expr:
        """A text, a ratio, a union, or a scalar with its unit."""
        if self.kind in {"text", "word"} and not _SEPARATING_WORD.fullmatch(self.tokens[self.at].text):
            return self.textual()
        negative = self.kind == "-" and self.tokens[self.at + 1].kind in {"$", "based"}
        if self.tokens[self.at + negative].kind == "based":
            self.at += negative
            return based(self.next(), negative=negative)
        money = self.tokens[self.at + negative].kind == "$"
        if money:
            del self.tokens[self.at + negative]
        value = self.sum_of_terms()
        if self.kind == ":":
            parts = [value]
            while self.skip(":"):
                parts.append(self.sum_of_terms())
            return Expr("ratio", tuple(parts))
        while self.kind in {"cup", "setminus"}:
            op = "union" if self.next().kind == "cup" else "minus"
            value = Expr(op, (value, self.sum_of_terms()))
        return self.with_unit(value, "$" if money else "")

    def with_unit(self, value: Expr, written: str) -> Expr:
        if value.op == "quantity" and value.text == "degree" and self.kind in {"text", "sym"}:
            value, written = value.args[0], "degree "
            written += self.next().text
        while True:
            token = self.tokens[self.at]
            inches = token.kind == "in" and self.tokens[self.at + 1].kind in {"stop", ",", ")", "]", "^"}
            if inches or (token.kind in {"text", "word", "$"} and not _SEPARATING_WORD.fullmatch(token.text)):
                written += " " + token.text
            elif written and token.kind == "/" and self.tokens[self.at + 1].kind in {"text", "word"}:
                written += "/"
            elif written and token.kind == "^":
                self.at += 1
                power = self.group() if self.kind == "{" else self.primary()
                if power not in (number(2), number(3)):
                    raise NotAValueError("not a value")
                written += f"^{power.value}"
                continue
            else:
                break
            self.at += 1
        return Expr("quantity", (value,), unit(written)) if written else value

    def textual(self) -> Expr:
        """Text to the end of the item: a word, a choice, or a number that stands in `\\text{}`."""
        parts = []
        while self.kind in {"text", "word"} and not _SEPARATING_WORD.fullmatch(self.tokens[self.at].text):
            parts.append(self.next().text)
        content = " ".join(parts)
        if content[:1].isdigit() or content[:1] == "-":
            return parse(content)[0]
        if "," in content and self.kind == "stop" and self.at == len(parts):
            return Expr("list", tuple(Expr("text", text=plain_text(part)) for part in content.split(",")))
        if not plain_text(content):
            raise NotAValueError("not a value")
        if self.kind == "num" and self.tokens[self.at + 1].kind in {"stop", ","}:  # June 20
            content += str(self.next().value)
        return Expr("text", text=plain_text(content))

    # --- arithmetic

    def sum_of_terms(self) -> Expr:
        sign = self.next().kind if self.kind in {"+", "-", "pm", "mp"} else "+"
        first = self.term()
        if sign in {"pm", "mp"}:
            first = Expr("pm", (number(0), first), "+" if sign == "pm" else "-")
        terms = [negated(first) if sign == "-" else first]
        while self.kind in {"+", "-", "pm", "mp"}:
            sign = self.next().kind
            term = self.term()
            if sign in {"pm", "mp"}:
                terms = [Expr("pm", (joined("add", terms), term), "+" if sign == "pm" else "-")]
            else:
                terms.append(negated(term) if sign == "-" else term)
        return joined("add", terms)

    def term(self) -> Expr:
        factors = [self.mixed_number() or self.factor()]
        while True:
            if self.skip("*"):
                factors.append(self.factor())
            elif self.kind == "/" and self.tokens[self.at + 1].kind not in {"text", "word"}:
                self.at += 1
                factors = [Expr("div", (joined("mul", factors), self.factor()))]
            elif self.kind in _JUXTAPOSED:
                factors.append(self.factor())
            else:
                return joined("mul", factors)

    def mixed_number(self) -> Expr | None:
        r"""`1\frac{4}{5}` and `1 4/5`; a product where the fraction is not proper."""
        whole, following = self.tokens[self.at : self.at + 2] if self.kind == "num" else (None, None)
        if whole is None or following is None or whole.text or whole.value is None or whole.value.denominator != 1:
            return None
        start = self.at
        self.at += 1
        if following.kind == "frac":
            fraction = self.primary()
            ends = self.kind not in {"^", "!"}
        elif following.kind == "num" and following.spaced and self.tokens[self.at + 1].kind == "/":
            top, _, bottom = self.next(), self.next(), self.next()
            fraction = Expr("div", (_num(top), _num(bottom)))
            ends = bottom.kind == "num"
        else:
            fraction, ends = number(0), False
        if ends and fraction.op == "div":
            top_value, bottom_value = (arg.value if arg.op == "num" and not arg.text else None for arg in fraction.args)
            if top_value and bottom_value and 0 < top_value < bottom_value:
                return number(whole.value + top_value / bottom_value)
        self.at = start
        return None

    def factor(self) -> Expr:
        if self.skip("-"):
            return negated(self.factor())
        self.skip("+")
        return self.power()

    def power(self) -> Expr:
        value = self.primary()
        while True:
            if self.skip("!"):
                value = Expr("factorial", (value,))
            elif self.skip("%"):
                value = Expr("quantity", (value,), "percent")
            elif self.kind == "'" and value.op == "sym":
                value = Expr("sym", text=value.text + self.next().text)
            elif self.kind == "^" and self.degree_follows():
                value = Expr("quantity", (value,), "degree")
            elif self.skip("^"):
                self.skip("^")
                value = Expr("pow", (value, self.exponent()))
            elif self.kind == "*" and self.tokens[self.at + 1].kind == "*":  # Python's power
                self.at += 2
                value = Expr("pow", (value, self.exponent()))
            elif self.kind == "circ":
                self.at += 1
                value = Expr("quantity", (value,), "degree")
            else:
                return value

    def exponent(self) -> Expr:
        with _Deeper(self):
            if self.kind == "{":
                return self.group()
            if self.skip("-"):
                return negated(self.exponent())
            value = self.primary()
            return Expr("pow", (value, self.exponent())) if self.skip("^") else value

    def degree_follows(self) -> bool:
        r"""Skip `^\circ` or `^{\circ}` if it is there."""
        if self.tokens[self.at + 1].kind == "circ":
            self.at += 2
            return True
        if [token.kind for token in self.tokens[self.at + 1 : self.at + 4]] == ["{", "circ", "}"]:
            self.at += 4
            return True
        return False

    # --- atoms

    def primary(self) -> Expr:
        with _Deeper(self):
            token = self.next()
            match token.kind:
                case "num":
                    # Two numbers side by side are no product; whoever wrote them meant something else.
                    if self.kind == "num":
                        raise NotAValueError("not a value")
                    return _num(token)
                case "sym":
                    return self.subscripted(token.text)
                case "pi":
                    return Expr("sym", text="pi")
                case "infty":
                    return Expr("sym", text="oo")
                case "emptyset":
                    return Expr("set")
                case "(" | "[" | "langle" | "{set":
                    return self.bracketed(token.kind)
                case "{":
                    self.at -= 1
                    return self.group()
                case "|":
                    inner = self.sum_of_terms()
                    self.expect("|")
                    return Expr("abs", (inner,))
                case "lfloor" | "lceil":
                    inner = self.sum_of_terms()
                    self.expect("r" + token.kind[1:])
                    return Expr("floor" if token.kind == "lfloor" else "ceil", (inner,))
                case "frac":
                    return Expr("div", (self.argument(), self.argument()))
                case "binom":
                    return Expr("binom", (self.argument(), self.argument()))
                case "sqrt":
                    return self.root()
                case "function":
                    return self.function(token.text)
                case "sum" | "prod":
                    return self.big_operator(token.kind)
                case "begin":
                    return self.matrix()
                case "mathbb":
                    return (
                        REALS if self.letter() == "R" else Expr("sym", text=f"mathbb {self.tokens[self.at - 2].text}")
                    )
                case "overline":
                    start = self.at
                    self.argument()
                    return Expr("sym", text="overline" + "".join(part.text for part in self.tokens[start : self.at]))
            raise NotAValueError("not a value")

    def letter(self) -> str:
        braced = self.skip("{")
        letter = self.expect("sym").text
        if braced:
            self.expect("}")
        return letter

    def subscripted(self, name: str) -> Expr:
        if not self.skip("_"):
            return Expr("sym", text=name)
        if self.kind != "{":
            return Expr("sym", text=f"{name}_{self.expect('num', 'sym').text or self.tokens[self.at - 1].value}")
        self.at += 1
        parts = []
        while not self.skip("}"):
            part = self.expect("num", "sym", "text", "word", ",", "+", "-")
            parts.append(str(part.value) if part.kind == "num" else part.text)
        return Expr("sym", text=f"{name}_{''.join(parts)}")

    def group(self) -> Expr:
        with _Deeper(self):
            self.expect("{")
            inner = self.relation()
            self.expect("}")
            return inner

    def argument(self) -> Expr:
        r"""What a macro applies to: a group, or one digit or letter as in `\frac43`."""
        token = self.tokens[self.at]
        if token.kind == "num" and token.value is not None and token.value.denominator == 1 and token.value >= 10:
            digits = str(token.value)
            self.tokens[self.at] = Token("num", "", Fraction(digits[1:]))
            return number(int(digits[0]))
        if token.kind == "num":
            return _num(self.next())
        return self.group() if token.kind == "{" else self.primary()

    def root(self) -> Expr:
        index = number(2)
        if self.skip("["):
            index = self.sum_of_terms()
            self.expect("]")
        # \sqrt13 is the root of 13 to whoever writes it, though LaTeX would draw it otherwise.
        return Expr("root", (self.group() if self.kind == "{" else self.primary(), index))

    def function(self, name: str) -> Expr:
        power = base = None
        while self.kind in {"^", "_"}:
            if self.next().kind == "^":
                power = self.exponent()
            elif name == "log":
                base = self.argument()
            else:
                raise NotAValueError("not a value")
        if power == Expr("neg", (number(1),)) and name in {"sin", "cos", "tan"}:
            name, power = "a" + name, None
        if self.kind in {"(", "["}:
            argument = self.bracketed(self.next().kind)
        elif self.kind == "{":
            argument = self.group()
        else:
            negative = self.skip("-")
            factors = [self.power()]
            while self.kind in _JUXTAPOSED - {"function", "(", "begin", "sum", "prod"}:
                factors.append(self.power())
            argument = negated(joined("mul", factors)) if negative else joined("mul", factors)
        value = Expr("call", (argument,) if base is None else (argument, base), name)
        return value if power is None else Expr("pow", (value, power))

    def big_operator(self, op: str) -> Expr:
        self.expect("_")
        self.expect("{")
        variable = self.subscripted(self.expect("sym").text)
        self.expect("=")
        start = self.sum_of_terms()
        self.expect("}")
        self.expect("^")
        stop = self.exponent()
        return Expr(op, (variable, start, stop, self.term()))

    def bracketed(self, opening: str) -> Expr:
        with _Deeper(self):
            if opening == "{set":
                items = [] if self.kind == "}set" else self.items()[0]
                self.expect("}set")
                return Expr("set", tuple(items))
            items, separators = self.items()
            closing = self.expect(
                "rangle" if opening == "langle" else ")", "rangle" if opening == "langle" else "]"
            ).kind
            brackets = "()" if opening == "langle" else opening + closing
            if len(items) > 1 and not separators & {"or", "and"}:
                return Expr("tuple", tuple(items), brackets)
            if len(items) > 1 or brackets not in {"()", "[]"}:
                raise NotAValueError("not a value")
            return items[0]

    def matrix(self) -> Expr:
        if self.environment() not in _MATRICES:
            raise NotAValueError("not a value")
        if self.kind == "{":  # the columns of an array
            while not self.skip("}"):
                self.expect("{", "sym", "|")
        rows: list[list[Expr]] = [[]]
        while not self.skip("end"):
            if rows[-1]:
                self.expect("&")
            rows[-1].append(self.sum_of_terms())
            if self.skip("\\") and self.kind != "end":
                rows.append([])
        if self.environment() not in _MATRICES or len({len(row) for row in rows}) != 1:
            raise NotAValueError("not a value")
        return Expr("matrix", tuple(Expr("row", tuple(row)) for row in rows))

    def environment(self) -> str:
        self.expect("{")
        name = self.expect("word").text
        self.expect("}")
        return name


def _num(token: Token) -> Expr:
    if token.kind != "num":
        raise NotAValueError("not a value")
    return Expr("num", text=token.text, value=token.value)


class _Deeper:
    """Counts nesting, so that a tower of brackets ends in a reason and not in Python's recursion limit."""

    def __init__(self, parser: _Parser) -> None:
        self.parser = parser

    def __enter__(self) -> None:
        self.parser.depth += 1
        if self.parser.depth > MAX_DEPTH:
            raise NotAValueError("too complex")

    def __exit__(self, *_: object) -> None:
        self.parser.depth -= 1
