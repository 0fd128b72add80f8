"""Formulas: a small language of numbers, names, operators and functions, parsed here and never handed to `eval`.

The operators are those of Python and bind as there (`-2**2` is -4, `2**3**2` is 512, `//` and `%` round down);
comparisons give 1 or 0. A formula is evaluated elementwise on whole arrays (`on_arrays`), or, inside a recurrence,
number by number (`app.schedules.recurrence`).
"""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from math import e, isfinite, pi
from typing import Any

import numpy as np

from app.schedules.arrays import Array

MAX_NODES = 1000  # of one expression
MAX_NESTING = 50  # parentheses and signs inside one another
MAX_DEPTH = 200  # operations inside one another; a sum of n terms is n deep
CONSTANTS = {"pi": pi, "e": e}


class FormulaError(ValueError):
    """The text is no formula; the message says where and what would be."""


@dataclass(frozen=True, slots=True)
class Node:
    """A part of a formula: a number, a name, or an operator or function with its arguments."""

    name: str
    args: tuple["Node", ...] = ()
    number: float | None = None
    depth: int = 0

    def __str__(self) -> str:
        if self.number is not None:
            return repr(self.number).removesuffix(".0")
        if self.name == "neg":
            return f"-{self.args[0]}"
        if self.name in _BINDING:
            return f"({self.args[0]} {self.name} {self.args[1]})"
        return f"{self.name}({', '.join(map(str, self.args))})" if self.args else self.name


def _compare(ufunc: np.ufunc) -> Callable[..., Any]:
    def compare(a: Any, b: Any) -> Any:
        return np.asarray(ufunc(a, b), dtype=np.result_type(a, b))

    return compare


def _where(condition: Any, yes: Any, no: Any) -> Any:
    return np.where(condition != 0, yes, no)


def _fold(ufunc: np.ufunc) -> Callable[..., Any]:
    def fold(first: Any, *rest: Any) -> Any:
        for value in rest:
            first = ufunc(first, value)
        return first

    return fold


ON_ARRAYS: dict[str, Callable[..., Any]] = {
    "+": np.add,
    "-": np.subtract,
    "*": np.multiply,
    "/": np.divide,
    "//": np.floor_divide,
    "%": np.mod,
    "**": np.power,
    "pow": np.power,
    "neg": np.negative,
    "<": _compare(np.less),
    "<=": _compare(np.less_equal),
    ">": _compare(np.greater),
    ">=": _compare(np.greater_equal),
    "==": _compare(np.equal),
    "!=": _compare(np.not_equal),
    "where": _where,
    "min": _fold(np.minimum),
    "max": _fold(np.maximum),
    "floor": np.floor,
    "ceil": np.ceil,
    "abs": np.abs,
    "sqrt": np.sqrt,
    "exp": np.exp,
    "log": np.log,
    "sin": np.sin,
    "cos": np.cos,
    "tan": np.tan,
    "tanh": np.tanh,
}
ARITY = {
    "where": (3, 3),
    "pow": (2, 2),
    "min": (2, 16),
    "max": (2, 16),
}  # of the functions that do not take one argument
FUNCTIONS = tuple(name for name in ON_ARRAYS if name.isalpha() and name != "neg")
_BINDING = {
    **dict.fromkeys(("<", "<=", ">", ">=", "==", "!="), 1),
    **dict.fromkeys(("+", "-"), 2),
    **dict.fromkeys(("*", "/", "//", "%"), 3),
    "**": 5,  # tighter than the sign before it, which is 4
}
_TOKEN = re.compile(
    r"[ \t\r\n]*(?:(?P<number>(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?)(?![A-Za-z0-9_.])"
    r"|(?P<name>[A-Za-z_][A-Za-z0-9_]*)|(?P<sign>\*\*|//|[<>=!]=|[-+*/%<>(),]))"
)


@lru_cache(maxsize=1024)
def parse(text: str, names: frozenset[str]) -> Node:
    """The formula that `text` describes, which may use the variables `names`. Raises `FormulaError`.

    >>> str(parse("peak * min(1, step/100)", frozenset({"step", "peak"})))
    '(peak * min(1, (step / 100)))'
    """
    parser = _Parser(text, names)
    node = parser.expression(0, 0)
    if parser.kind:
        raise parser.error(f"{parser.token!r} does not belong here")
    return node


def on_arrays(node: Node, variables: Mapping[str, Any], scalar: type[np.floating[Any]]) -> Any:
    """The value of a formula, elementwise, every operation in the precision `scalar`."""
    if node.number is not None:
        return scalar(node.number)
    if not node.args:
        return variables[node.name]
    return ON_ARRAYS[node.name](*[on_arrays(arg, variables, scalar) for arg in node.args])


def operations(node: Node) -> int:
    """How many operators and functions a formula has."""
    return bool(node.args) + sum(operations(arg) for arg in node.args)


def uses(node: Node, name: str) -> bool:
    """Whether a formula mentions a variable."""
    return (node.name == name and not node.args) or any(uses(arg, name) for arg in node.args)


def evaluate(node: Node, let: Mapping[str, Node], u: Array) -> Array:
    """A formula at the times `u`, as a fresh array. The names of `let` are worked out once each, in order."""
    scalar = u.dtype.type
    variables: dict[str, Any] = {"step": u}
    for name, part in let.items():
        variables[name] = on_arrays(part, variables, scalar)
    return np.array(np.broadcast_to(on_arrays(node, variables, scalar), u.shape), dtype=u.dtype)


class _Parser:
    """Precedence climbing over the tokens of one text."""

    def __init__(self, text: str, names: frozenset[str]) -> None:
        self._text, self._names, self._nodes = text, names, 0
        self._tokens = self._scan()
        self.advance()

    def _scan(self) -> Iterator[tuple[str, str, int]]:
        at = 0
        while self._text[at:].strip():
            match = _TOKEN.match(self._text, at)
            if match is None:
                rest = self._text[at:].lstrip()
                raise FormulaError(f"column {len(self._text) - len(rest) + 1}: {rest[:12]!r} is no part of a formula")
            assert match.lastgroup is not None
            yield match.lastgroup, match[match.lastgroup], match.start(match.lastgroup)
            at = match.end()
        yield "", "the end", len(self._text.rstrip())

    def advance(self) -> str:
        """Go to the next token; gives the one that was there."""
        past = getattr(self, "token", "")
        self.kind, self.token, self.at = next(self._tokens)
        return past

    def error(self, message: str) -> FormulaError:
        return FormulaError(f"column {self.at + 1}: {message}")

    @property
    def shown(self) -> str:
        """The token as a message names it."""
        return repr(self.token) if self.kind else self.token

    def node(self, name: str, args: tuple[Node, ...] = (), number: float | None = None) -> Node:
        self._nodes += 1
        if self._nodes > MAX_NODES:
            raise self.error(f"a formula has at most {MAX_NODES} numbers, names and operations")
        depth = 1 + max((arg.depth for arg in args), default=0)
        if depth > MAX_DEPTH:
            raise self.error(f"operations are nested at most {MAX_DEPTH} deep; give parts a name with `let`")
        return Node(name, args, number, depth)

    def expression(self, binding: int, nesting: int) -> Node:
        """What follows, as far as operators that bind tighter than `binding` hold it together."""
        if nesting > MAX_NESTING:
            raise self.error(f"a formula is nested at most {MAX_NESTING} deep")
        left = self.operand(nesting)
        compared = False
        while _BINDING.get(self.token, 0) > binding and self.kind == "sign":
            strength = _BINDING[self.token]
            if strength == 1:
                if compared:
                    raise self.error("compare two things at a time: a < b < c is (a < b)*(b < c)")
                compared = True
            operator = self.advance()
            right = self.expression(3 if operator == "**" else strength, nesting + 1)  # ** groups from the right
            left = self.node(operator, (left, right))
        return left

    def operand(self, nesting: int) -> Node:
        if self.kind == "number":
            number = float(self.token)
            if not isfinite(number):
                raise self.error(f"{self.token} is too large for a float64")
            self.advance()
            return self.node("", number=number)
        if self.kind == "name":
            return self.name(nesting)
        if self.token in ("-", "+") and self.kind == "sign":
            sign = self.advance()
            inner = self.expression(4, nesting + 1)
            return self.node("neg", (inner,)) if sign == "-" else inner
        if self.token == "(":
            self.advance()
            inner = self.expression(0, nesting + 1)
            self.expect(")")
            return inner
        raise self.error(f"a number, a name or `(` is missing before {self.shown}")

    def name(self, nesting: int) -> Node:
        at, name = self.at, self.advance()
        if self.token == "(" and self.kind == "sign":
            if name not in FUNCTIONS:
                raise FormulaError(f"column {at + 1}: there is no function {name!r}; there are {', '.join(FUNCTIONS)}")
            return self.call(name, nesting)
        if name in self._names:
            return self.node(name)
        if name in CONSTANTS:
            return self.node("", number=CONSTANTS[name])
        known = ", ".join(sorted({*self._names, *CONSTANTS}))
        advice = f"{name} is a function: write {name}(...)" if name in FUNCTIONS else f"the names here are {known}"
        raise FormulaError(f"column {at + 1}: there is no name {name!r}; {advice}")

    def call(self, name: str, nesting: int) -> Node:
        self.advance()
        args = [self.expression(0, nesting + 1)]
        while self.token == ",":
            self.advance()
            args.append(self.expression(0, nesting + 1))
        self.expect(")")
        least, most = ARITY.get(name, (1, 1))
        if not least <= len(args) <= most:
            wanted = str(least) if least == most else f"{least} to {most}"
            raise self.error(f"{name} takes {wanted} arguments, not {len(args)}")
        return self.node(name, tuple(args))

    def expect(self, sign: str) -> None:
        if self.token != sign or self.kind != "sign":
            raise self.error(f"`{sign}` is missing before {self.shown}")
        self.advance()
