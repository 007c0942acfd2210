"""Curves of what is held first and what is let go first, a panel each."""

from __future__ import annotations

from typing import Any

from edge2torch._core.checks import check_type
from edge2torch._core.messages import require
from edge2torch.interpret import Faithfulness
from edge2torch.plot._style import NEUTRAL, plain, tidy

_ABOUT = {"deletion": "largest scores held first", "insertion": "largest scores let go first"}


def faithfulness(result: Faithfulness, *, title: str | None = None) -> Any:
    """Draw deletion and insertion curves of attribution methods beside that of random orders.

    Of deletion the highest curve is the best, of insertion the lowest. Methods are listed by area, with
    its interval over samples; those that do not depend on the weights are drawn dotted, and named.

    Parameters
    ----------
    result : Faithfulness
        What :func:`edge2torch.faithfulness` returned.
    title : str, optional
        Above all panels.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    Edge2TorchError
        For anything else.

    Examples
    --------
    >>> import pandas as pd
    >>> import edge2torch as e2t
    >>> edges = pd.DataFrame({"source": ["a", "b", "h"], "target": ["h", "h", "y"],
    ...                       "initial_weight": [3.0, 0.1, 1.0]})
    >>> model, _ = e2t.compile_graph(edges, quiet=True)
    >>> cells = pd.DataFrame({"a": [1.0, -1.0, 2.0, 0.0], "b": [1.0, 1.0, -1.0, -1.0]})
    >>> figure = e2t.plot.faithfulness(e2t.faithfulness(model, cells, ["Saliency"], quiet=True))
    >>> [axes.get_title(loc="left") for axes in figure.axes]
    ['features: largest scores held first', 'features: largest scores let go first']
    """
    check_type("result", result, Faithfulness, "what faithfulness returned")
    table, curves = result.summary(), result.frame
    targets = list(dict.fromkeys(curves["target"]))
    figure, axes = require("matplotlib.pyplot", extra="plot").subplots(
        len(targets),
        2,
        figsize=(10.5, 3.6 * len(targets)),
        layout="constrained",
        squeeze=False,
        sharey="row",
    )
    for row, target in zip(axes, targets, strict=True):
        own = (
            curves[curves["target"] == target]
            .set_index(["method", "curve"])
            .sort_index(kind="stable")
        )
        for ax, (curve, words) in zip(row, _ABOUT.items(), strict=True):
            for method, found in table.loc[target].iterrows():
                drawn = own.loc[(method, curve)]
                interval = f"{found['area']:.2f} [{found['low']:.2f}, {found['high']:.2f}]"
                ignores = f", ignores {found['ignores']}" if found["ignores"] else ""
                ax.plot(
                    drawn["share"],
                    drawn["change"],
                    ":" if ignores else "-",
                    label=plain(f"{method}: {interval}{ignores}"),
                )
            drawn = own.loc[("random order", curve)]
            ax.plot(drawn["share"], drawn["change"], "--", color=NEUTRAL, label="random order")
            ax.set_title(f"{target}: {words}", loc="left", fontsize=10)
            verb = "held" if curve == "deletion" else "let go"
            ax.set_xlabel(f"share of {target} {verb}", fontsize=9)
            tidy(ax)
        row[0].set_ylabel("distance of the output\nfrom that of the whole model", fontsize=9)
        row[1].legend(loc="center left", bbox_to_anchor=(1.0, 0.5), fontsize=8, frameon=False)
    if title:
        figure.suptitle(plain(title), x=0.01, ha="left", fontsize=12)
    return figure
