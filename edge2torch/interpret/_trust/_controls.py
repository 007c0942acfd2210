"""Inputs in which every feature tells as much as any other."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from edge2torch._core.checks import check_seed
from edge2torch._core.messages import kind_of, listing
from edge2torch._core.samples import by_sample
from edge2torch.errors import Edge2TorchError

MIN_STRENGTH, MAX_STRENGTH = 0.05, 0.9
_FEW_NUMBERS = 10


def control_inputs(
    data: pd.DataFrame,
    labels: ArrayLike | pd.Series,
    *,
    strength: float | None = None,
    seed: int = 0,
) -> pd.DataFrame:
    """Simulate inputs that fit the labels and in which every feature is equally predictive.

    The question that they answer: are all features equally predictive, as far as this graph can tell?
    They are not, in any real data, so what differs from these controls need not be a pathway; ask
    :func:`node_specific` for that.

    A network trained on them owes nothing to any one feature, so its node scores show what the
    graph's shape alone produces. Each value is a draw of one of two numbers (the binomial scheme
    of Fortelny & Bock): a feature is on with probability (1 + strength) / 2 in one half of the
    classes and (1 - strength) / 2 in the other; which half is drawn for each feature. On and off
    are placed so that the feature keeps its mean and standard deviation.

    Parameters
    ----------
    data : DataFrame
        Samples × features, as the network is trained on; only its shape, names, means and
        standard deviations are used, and its mean association with the labels.
    labels : array_like, shape (b,)
        Classes; or numbers, whose lower and upper half are then the two classes.
    strength : float, optional
        Correlation of a feature with its half of the classes. By default the root mean square
        over the features of ``data`` of their correlation ratio with the labels, between 0.05
        and 0.9: the controls tell as much as the data, spread evenly.
    seed : int
        Same seed, same inputs. Give each control replicate inputs of its own.

    Returns
    -------
    DataFrame
        Like ``data``.

    Raises
    ------
    Edge2TorchError
        For labels that do not fit the samples or have one class only, for columns that are not
        numbers, and for a strength that is not a correlation.

    Examples
    --------
    >>> import numpy as np, pandas as pd
    >>> data = pd.DataFrame(np.random.default_rng(0).normal(size=(2000, 3)), columns=list("abc"))
    >>> labels = np.arange(2000) % 2
    >>> inputs = control_inputs(data, labels, strength=0.5)
    >>> inputs.corrwith(pd.Series(labels)).abs().round(1).tolist()
    [0.5, 0.5, 0.5]

    References
    ----------
    Fortelny & Bock 2020, doi:10.1186/s13059-020-02100-5.
    """
    values = _values(data)
    classes = _classes(by_sample("labels", labels, data.index), len(values))
    if strength is None:
        strength = float(
            np.clip(np.sqrt(np.mean(_ratio(values, classes))), MIN_STRENGTH, MAX_STRENGTH)
        )
    elif not 0 < strength <= 1:
        raise Edge2TorchError(f"strength must be above 0 and at most 1, found {strength!r}.")
    rng = np.random.default_rng(check_seed("seed", seed))
    n_classes, n_features = int(classes.max()) + 1, values.shape[1]
    # Ranks of random numbers are a permutation: for each feature, which half of the classes is high.
    order = rng.random((n_classes, n_features)).argsort(axis=0).argsort(axis=0)
    is_high = 2 * order < n_classes if n_classes % 2 == 0 else 2 * order < n_classes - 1
    chance = np.where(is_high, 1 + strength, 1 - strength) / 2
    on = rng.random(values.shape) < chance[classes]
    spread = np.maximum(on.std(axis=0), 1e-12)  # on, or off, in every sample: no spread to scale by
    drawn = (on - on.mean(axis=0)) / spread * values.std(axis=0) + values.mean(axis=0)
    return pd.DataFrame(drawn, index=data.index, columns=data.columns)


def _values(data: Any) -> NDArray[np.float64]:
    if not isinstance(data, pd.DataFrame):
        raise Edge2TorchError(
            f"data must be a DataFrame of samples × features, found {kind_of(data)}."
        )
    if data.empty:
        raise Edge2TorchError(f"data is empty: {data.shape[0]} row(s), {data.shape[1]} column(s).")
    wrong = [name for name in data.columns if not pd.api.types.is_numeric_dtype(data[name].dtype)]
    if wrong:
        raise Edge2TorchError(
            f"data has columns that are not numbers: {listing(wrong)}. Drop them."
        )
    values = data.to_numpy(np.float64)
    unknown = ~np.isfinite(values).all(axis=0)
    if unknown.any():
        raise Edge2TorchError(
            f"data has values that are missing or infinite in {listing(data.columns[unknown])}. "
            "Fill them in first."
        )
    return values


def _classes(labels: Any, n_samples: int) -> NDArray[np.int64]:
    """Number the classes; halve a label that holds numbers."""
    given = pd.Series(np.asarray(labels).ravel())
    if len(given) != n_samples:
        raise Edge2TorchError(f"labels: {len(given)} for {n_samples} sample(s). Give one for each.")
    if given.isna().any():
        raise Edge2TorchError(f"labels: {int(given.isna().sum())} are missing. Drop these samples.")
    if pd.api.types.is_float_dtype(given.dtype) and given.nunique() > _FEW_NUMBERS:
        given = given > given.median()
    codes, classes = pd.factorize(given, sort=True)
    if len(classes) < 2:
        raise Edge2TorchError(f"labels has one class only: {listing(classes)}. Two are needed.")
    return codes.astype(np.int64)


def _ratio(values: NDArray[np.float64], classes: NDArray[np.int64]) -> NDArray[np.float64]:
    """Share of each feature's variance that lies between the classes, less what chance gives."""
    n, k = len(classes), int(classes.max()) + 1
    sizes = np.bincount(classes)
    sums = np.zeros((k, values.shape[1]))
    np.add.at(sums, classes, values)
    between = (sizes[:, None] * (sums / sizes[:, None] - values.mean(axis=0)) ** 2).sum(axis=0)
    total = np.maximum(n * values.var(axis=0), 1e-12)
    # (k - 1) / (n - 1) is the ratio's mean where the labels say nothing.
    return np.asarray(np.maximum(between / total - (k - 1) / max(n - 1, 1), 0.0))
