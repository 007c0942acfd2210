"""Which way the rules of a logical model lead: whether a result rises or falls with an input."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import reduce
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge2torch._core.messages import require

_MOST = 4096  # combinations of levels
_MOST_INPUTS = (
    32  # arrays have no more axes; inputs of a single level would be as many as there are
)
Values = NDArray[Any]


@dataclass(frozen=True)
class Rule:
    """A term of a transition: where its formula is true, the result has this level."""

    formula: Any
    level: int


class _UnknownError(Exception):
    """A formula says something that is not computed."""


def rises_and_falls(
    rules: list[Rule], default: int, levels: Mapping[str, int], constants: Mapping[str, float]
) -> dict[str, tuple[bool, bool]] | str:
    """Return for each input whether the result rises, and falls, with it; or why that is not known.

    The first rule that is true wins. ``levels`` is how many an input has, from 0 on.
    """
    if math.prod(levels.values()) > _MOST or len(levels) > _MOST_INPUTS:
        return f"over {_MOST:,} combinations"
    grid = np.indices(tuple(levels.values()))
    known = {**constants, **dict(zip(levels, grid, strict=True))}
    result = np.full(grid.shape[1:], default)
    try:
        for rule in reversed(rules):
            result = np.where(_value(rule.formula, known) != 0, rule.level, result)
    except _UnknownError as error:
        return str(error)
    steps = {name: np.diff(result, axis=axis) for axis, name in enumerate(levels)}
    return {name: (bool((s > 0).any()), bool((s < 0).any())) for name, s in steps.items()}


def _value(formula: Any, known: Mapping[str, Any]) -> Any:
    """Return the value of a formula for all combinations at once.

    Formulas can be nested deeper than Python calls may be, so the parts stand in a list, every part
    before those that it is made of, and are evaluated from its end.
    """
    kinds = _kinds()
    parts, made_of = [formula], []
    for part in parts:  # which grows
        count = 0 if part.isName() or part.isNumber() else part.getNumChildren()
        made_of.append(range(len(parts), len(parts) + count))
        parts += [part.getChild(k) for k in range(count)]
    values: list[Any] = [None] * len(parts)
    for at in reversed(range(len(parts))):
        part, below = parts[at], [values[k] for k in made_of[at]]
        if part.isName():
            if part.getName() not in known:
                raise _UnknownError("formulas with other names")
            values[at] = known[part.getName()]
        elif part.isNumber():
            values[at] = part.getValue()
        elif part.getType() in kinds:
            values[at] = kinds[part.getType()](below)
        else:
            raise _UnknownError("formulas of other functions")
        for k in made_of[at]:
            values[k] = None
    return values[0]


def _chain(compare: Callable[[Any, Any], Any]) -> Callable[[list[Any]], Any]:
    """Compare neighbours, as MathML does with more than two."""
    return lambda parts: _all([compare(a, b) for a, b in pairwise(parts)])


def _all(parts: list[Any]) -> Any:
    return reduce(np.logical_and, parts, np.True_)


def _minus(parts: list[Any]) -> Any:
    if not 1 <= len(parts) <= 2:
        raise _UnknownError("broken formulas")
    return -np.asarray(parts[0]) if len(parts) == 1 else np.subtract(*parts)


def _not(parts: list[Any]) -> Any:
    if len(parts) != 1:
        raise _UnknownError("broken formulas")
    return np.logical_not(parts[0])


def _kinds() -> Mapping[int, Callable[[list[Any]], Any]]:
    sbml = require("libsbml", extra="sbml")
    return {
        sbml.AST_CONSTANT_TRUE: lambda _: np.True_,
        sbml.AST_CONSTANT_FALSE: lambda _: np.False_,
        sbml.AST_LOGICAL_AND: _all,
        sbml.AST_LOGICAL_OR: lambda parts: reduce(np.logical_or, parts, np.False_),
        sbml.AST_LOGICAL_XOR: lambda parts: reduce(np.logical_xor, parts, np.False_),
        sbml.AST_LOGICAL_NOT: _not,
        sbml.AST_RELATIONAL_EQ: _chain(np.equal),
        sbml.AST_RELATIONAL_GEQ: _chain(np.greater_equal),
        sbml.AST_RELATIONAL_GT: _chain(np.greater),
        sbml.AST_RELATIONAL_LEQ: _chain(np.less_equal),
        sbml.AST_RELATIONAL_LT: _chain(np.less),
        sbml.AST_RELATIONAL_NEQ: _chain(np.not_equal),
        sbml.AST_PLUS: lambda parts: reduce(np.add, parts, 0),
        sbml.AST_TIMES: lambda parts: reduce(np.multiply, parts, 1),
        sbml.AST_MINUS: _minus,
    }
