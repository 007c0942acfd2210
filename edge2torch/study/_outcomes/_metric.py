"""How a score is written."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray


@dataclass(frozen=True)
class Metric:
    """How a score is written.

    Parameters
    ----------
    name : str
        Its column in ``scores.csv``.
    label : str
        In a table's head and in sentences.
    percent : bool
        A share, whose differences are points.
    bounds : tuple of float
        Least and largest value that it can take.
    higher_is_better : bool
        The outcome's first metric decides verdicts, whichever way it goes.
    """

    name: str
    label: str
    percent: bool = False
    bounds: tuple[float, float] = (0.0, 1.0)
    higher_is_better: bool = True

    @property
    def heading(self) -> str:
        """With a hint where less is better."""
        return self.label if self.higher_is_better else f"{self.label} (lower is better)"

    def cut(self, low: float, high: float, *, of_lead: bool = False) -> tuple[float, float]:
        """Cut an interval at what a score, or a difference of two, can be."""
        least, most = self.bounds
        if of_lead:
            least, most = least - most, most - least
        return max(low, least), min(high, most)

    def show(self, value: float) -> str:
        """Format one score: percent for shares, three decimals otherwise."""
        return f"{100 * value:.1f} %" if self.percent else f"{value:.3f}"

    def show_spread(self, values: pd.Series) -> str:
        """Format mean ± sd over seeds; of one seed there is no sd."""
        if len(values) == 1:
            return self.show(float(values.iloc[0]))
        mean, sd = float(values.mean()), float(values.std(ddof=1))
        if self.percent:
            return f"{100 * mean:.1f} ± {100 * sd:.1f} %"
        return f"{mean:.3f} ± {sd:.3f}"

    def show_interval(self, value: float, low: float, high: float) -> str:
        """Format a score with its interval."""
        return f"{self.show(value)} ({self.range_words(low, high)})"

    def range_words(self, low: float, high: float) -> str:
        """Format an interval of scores."""
        shown = [self.show(one).removesuffix(" %") for one in (low, high)]
        return f"90 % interval {shown[0]} to {shown[1]}"

    def gap_interval(self, low: float, high: float) -> str:
        """Format an interval of a difference, with its signs."""
        scale, digits = (100, 1) if self.percent else (1, 3)
        return f"90 % interval {scale * low:+.{digits}f} to {scale * high:+.{digits}f}"

    def gap(self, difference: float) -> str:
        """Format how far two scores are apart."""
        size = abs(difference)
        return f"{100 * size:.1f} points" if self.percent else f"{size:.3f} of {self.label}"

    def limit(self, difference: float) -> str:
        """Name a difference that was agreed on."""
        return "two points" if self.percent else f"{difference} of {self.label}"

    def lead(self, own: Any, other: Any) -> Any:
        """Return how much better the first is."""
        return own - other if self.higher_is_better else other - own


def upper_half(values: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Tell which of some numbers are of the upper half; where there are two or more, some are not.

    Examples
    --------
    >>> import numpy as np
    >>> upper_half(np.array([3.0, 1.0, 2.0, 4.0])).tolist()
    [True, False, False, True]
    >>> upper_half(np.array([1.0, 9.0, 9.0])).tolist()  # more than half are the largest
    [False, True, True]
    """
    above: NDArray[np.bool_] = values > np.median(values)
    if not above.any():
        above = values == values.max()
    # numbers that are all alike have halves by their order, between which nothing differs
    return np.arange(len(values)) >= len(values) / 2 if above.all() else above
