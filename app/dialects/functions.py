"""Users' functions, in Python, as the formulas that lower to native kinds."""

import re

_LAMBDA = re.compile(r"\s*lambda\s+([\w\s,]+):(.*)", re.DOTALL)
_NAME = re.compile(r"(?<![\w.])[A-Za-z_]\w*")
_MODULE = re.compile(r"(?<![\w.])(?:math|np|numpy|torch|jnp)\.")


def expression(text: str, **variables: str) -> str:
    """A Python function as an expression: its variables replaced by expressions.

    The text is the body in the names given, or a whole `lambda` with parameters of any name, in the order given.

    >>> expression("0.95 ** epoch", epoch="step"), expression("lambda e: math.exp(-e)", epoch="step + 1")
    ('0.95 ** step', 'exp(-(step + 1))')
    """
    if found := _LAMBDA.fullmatch(text):
        names = [name.strip() for name in found[1].split(",")]
        variables = dict(zip(names, variables.values(), strict=False))
        text = found[2].strip()
    values = {name: value if value.isidentifier() else f"({value})" for name, value in variables.items()}
    return _NAME.sub(lambda name: values.get(name[0], name[0]), _MODULE.sub("", text))


def of_step(text: str, step: str = "step") -> str:
    """A Python function of the step as an expression of `step`; the variable is `epoch`, `step`, `x` or `t`."""
    return expression(text, epoch=step, step=step, x=step, t=step)


def number(value: float) -> str:
    """A number as an expression that any operator may stand beside."""
    return f"({value!r})" if value < 0 else repr(value)
