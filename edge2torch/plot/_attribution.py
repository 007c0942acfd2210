"""An attribution as the picture that fits it."""

from __future__ import annotations

from typing import Any

import pandas as pd

from edge2torch.errors import Edge2TorchError
from edge2torch.interpret import Attribution
from edge2torch.plot._bars import plot_top_nodes
from edge2torch.plot._flow import plot_flow
from edge2torch.plot._heatmap import plot_node_heatmap


def attribution(
    why: Attribution,
    *,
    n: int | None = None,
    title: str | None = None,
    label_width: int | None = None,
    ax: Any | None = None,
) -> Any:
    """Draw an attribution: bars of one output, a heat map of several, a flow of edges.

    Parameters
    ----------
    why : Attribution
        What :func:`edge2torch.attribute` returned. Scores are averaged over samples.
    n : int, optional
        How many features or nodes to show, or, of edges, how many nodes of each layer; by default
        as many as the picture that is chosen does.
    title : str, optional
        Words on the picture; by default method, samples and output.
    label_width : int, optional
        Longer names are shortened.
    ax : matplotlib Axes, optional
        Where to draw; a new figure by default.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    Edge2TorchError
        For what is not an attribution, and for edges of several outputs.

    Examples
    --------
    >>> import pandas as pd
    >>> import edge2torch as e2t
    >>> edges = pd.DataFrame({"source": ["g1", "g2", "tf"], "target": ["tf", "tf", "y"],
    ...                       "initial_weight": [1.0, 2.0, 3.0]})
    >>> model, _ = e2t.compile_graph(edges, quiet=True)
    >>> cells = pd.DataFrame({"g1": [1.0, 0.0], "g2": [1.0, 1.0]})
    >>> ax = e2t.plot.attribution(e2t.attribute(model, cells, quiet=True))
    >>> [label.get_text() for label in ax.get_yticklabels()]
    ['g2', 'g1']
    """
    if not isinstance(why, Attribution):
        raise Edge2TorchError(
            f"why must be what attribute returned, found {type(why).__name__}. Tables are drawn by "
            "plot_top_nodes, plot_node_heatmap and plot_flow."
        )
    samples = f"{len(why.samples):,} sample{'' if len(why.samples) == 1 else 's'}"
    words = title if title is not None else f"{why.method} of {why.target}, {samples}"
    given = {"n": n, "label_width": label_width}
    options: dict[str, Any] = {name: v for name, v in given.items() if v is not None}
    if why.target == "edges":
        if why.outputs is not None and len(why.outputs) > 1:
            raise Edge2TorchError(
                f"why holds edges of {len(why.outputs)} outputs, and a flow leads to one. Ask for "
                f"one: attribute(..., output={why.outputs[0]!r})."
            )
        table = why.frame().drop(columns="output", errors="ignore")
        return plot_flow(why.artifact, table, title=words, ax=ax, **options)
    means: pd.Series[float] = why.frame().mean()
    if why.outputs is None:
        return plot_top_nodes(_labelled(why, means), title=words, ax=ax, **options)
    by_output = means.unstack(0)[why.outputs]
    return plot_node_heatmap(_labelled(why, by_output), title=words, ax=ax, **options)


def _labelled(why: Attribution, scores: Any) -> Any:
    """Put names beside identifiers, where the edge table has them."""
    return scores.set_axis([why.artifact.label(str(name)) for name in scores.index])
