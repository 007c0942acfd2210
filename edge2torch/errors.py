"""The errors and warnings that a user can meet."""

from __future__ import annotations

__all__ = [
    "Edge2TorchError",
    "Edge2TorchWarning",
]


class Edge2TorchError(ValueError):
    """Every error that edge2torch raises about its input is one of these.

    The message says which argument is at fault, what was found there, the nodes, edges or
    columns concerned (the first five and how many more), and what to do about it.

    Examples
    --------
    >>> import pandas as pd
    >>> import edge2torch as e2t
    >>> loop = pd.DataFrame({"source": ["a", "b", "b"], "target": ["b", "b", "c"]})
    >>> try:
    ...     e2t.compile_graph(loop, quiet=True)
    ... except e2t.Edge2TorchError as error:
    ...     print("self loop" in str(error))
    True
    """


class MissingDependencyError(ImportError):
    """An optional package is not installed; the message says which ``pip install`` mends it.

    Nothing is wrong with the input, so it is no :class:`Edge2TorchError` and no ``ValueError``: what
    catches those, to go on with the next file or setting, does not hide it.

    Examples
    --------
    >>> from edge2torch.errors import MissingDependencyError
    >>> from edge2torch._core.messages import require
    >>> try:
    ...     require("no_such_package", extra="plot")
    ... except MissingDependencyError as error:
    ...     print(error)
    no_such_package is not installed. Install it with: pip install "edge2torch[plot]"
    """


class Edge2TorchWarning(UserWarning):
    """Something that is allowed, but that a user would want to know about.

    Examples
    --------
    >>> import warnings
    >>> from edge2torch.errors import Edge2TorchWarning
    >>> warnings.simplefilter("ignore", Edge2TorchWarning)  # silence ours and only ours
    """
