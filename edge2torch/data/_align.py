"""Put data into the order of a model's input nodes, by name."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any, Literal, overload

import numpy as np
import torch

from edge2torch._core.checks import check_choice, check_number
from edge2torch._core.messages import listing
from edge2torch._core.names import case_hint, turned_hint
from edge2torch.data._report import AlignmentReport
from edge2torch.data._sources import Source, check_two_dimensional, open_source
from edge2torch.errors import Edge2TorchError

if TYPE_CHECKING:
    import pandas as pd
    from anndata import AnnData
    from numpy.typing import NDArray
    from torch.nn import Module

    from edge2torch.compile import CompileArtifact


@overload
def align_features_to_input_nodes(
    data: pd.DataFrame | AnnData | NDArray[Any] | torch.Tensor,
    artifact: CompileArtifact | Module,
    *,
    layer: str | None = ...,
    missing: float | Literal["error"] = ...,
    extra: Literal["ignore", "error"] = ...,
    dtype: torch.dtype = ...,
    report: Literal[False] = ...,
) -> torch.Tensor: ...
@overload
def align_features_to_input_nodes(
    data: pd.DataFrame | AnnData | NDArray[Any] | torch.Tensor,
    artifact: CompileArtifact | Module,
    *,
    layer: str | None = ...,
    missing: float | Literal["error"] = ...,
    extra: Literal["ignore", "error"] = ...,
    dtype: torch.dtype = ...,
    report: Literal[True],
) -> tuple[torch.Tensor, AlignmentReport]: ...
def align_features_to_input_nodes(
    data: pd.DataFrame | AnnData | NDArray[Any] | torch.Tensor,
    artifact: CompileArtifact | Module,
    *,
    layer: str | None = None,
    missing: float | Literal["error"] = "error",
    extra: Literal["ignore", "error"] = "ignore",
    dtype: torch.dtype = torch.float32,
    report: bool = False,
) -> torch.Tensor | tuple[torch.Tensor, AlignmentReport]:
    """Put data into the order of a model's input nodes, by name.

    Parameters
    ----------
    data : DataFrame, AnnData, ndarray, sparse matrix or Tensor, shape (b, columns)
        One row per sample. Columns of a DataFrame and variables of an AnnData are matched to
        the input nodes as ``str(name).strip()``, in any order. An array, SciPy's sparse matrix or a
        tensor has no names: it must have one column per input node, in the order of
        ``artifact.feature_names``. A tensor stays on its device and in its autograd graph.
    artifact : CompileArtifact or Module
        What :func:`compile_graph` returned with the model, or the model, which carries it.
    layer : str, optional
        Read ``data.layers[layer]`` of an AnnData instead of ``data.X``.
    missing : "error" or float, default "error"
        What to do with input nodes that the data does not have: refuse, or fill with a value.
    extra : "ignore" or "error", default "ignore"
        What to do with columns that are no input node.
    dtype : torch.dtype, default torch.float32
        Floating type of the result.
    report : bool, default False
        Also return what was filled in and what was not used.

    Returns
    -------
    Tensor, shape (b, i)
        Columns in the order of ``artifact.feature_names``. It is laid out feature by feature in
        memory (strides ``(1, b)``), which is how sparse layers read it; values and shape are
        those of any tensor. It never shares memory with ``data``.
    AlignmentReport
        Only with ``report=True``.

    Raises
    ------
    Edge2TorchError
        For input nodes that are missing, named twice, not numeric, NaN or infinite, and for an
        array of the wrong width; the message names them.

    Notes
    -----
    Wanted columns are chosen before anything is made dense, and an AnnData that is backed by a
    file is read in runs of rows (or by columns, where the file stores columns), so memory follows
    ``b * i``.

    Examples
    --------
    >>> import pandas as pd
    >>> import edge2torch as e2t
    >>> edges = pd.DataFrame({"source": ["g1", "g2"], "target": ["pathway", "pathway"]})
    >>> model, artifact = e2t.compile_graph(edges, quiet=True)
    >>> data = pd.DataFrame({"g2": [2.0, 4.0], "age": [40, 50], "g1": [1.0, 3.0]})
    >>> e2t.align_features_to_input_nodes(data, artifact)
    tensor([[1., 2.],
            [3., 4.]])
    >>> x, report = e2t.align_features_to_input_nodes(
    ...     data[["g1", "age"]], artifact, missing=0.0, report=True
    ... )
    >>> report
    AlignmentReport: 2 sample(s), 1 of 2 input node(s) found in the DataFrame
      filled with 0.0 (1): 'g2'
      not used (1): 'age'
    """
    wanted = _feature_names(artifact)
    _check_options(missing, extra, dtype)
    if isinstance(data, torch.Tensor):
        values, summary = _from_tensor(data, layer, wanted, dtype)
    else:
        values, summary = _from_source(
            data, layer, artifact, wanted, missing=missing, extra=extra, dtype=dtype
        )
    _check_finite(values, wanted, dtype)
    return (values.T, summary) if report else values.T


def _feature_names(artifact: object) -> list[str]:
    # a VAE's artifact has feature names, too; a model carries its artifact
    names = getattr(artifact, "feature_names", None) or getattr(
        getattr(artifact, "artifact", None), "feature_names", None
    )
    if not isinstance(names, list):
        raise Edge2TorchError(
            f"artifact: found a {type(artifact).__name__}. Pass the CompileArtifact that "
            "compile_graph returned beside the model, or the model, which carries it."
        )
    return names


def _check_options(missing: object, extra: object, dtype: object) -> None:
    if not isinstance(missing, str) or missing != "error":
        check_number("missing", missing, kind="'error', or a number to fill with, such as 0.0,")
    check_choice("extra", extra, ("ignore", "error"))
    if not (isinstance(dtype, torch.dtype) and dtype.is_floating_point):
        raise Edge2TorchError(
            f"dtype: found {dtype!r}. Use a floating type, such as torch.float32."
        )


def _from_tensor(
    data: torch.Tensor, layer: str | None, wanted: list[str], dtype: torch.dtype
) -> tuple[torch.Tensor, AlignmentReport]:
    if layer is not None:
        raise Edge2TorchError(
            f"layer: {layer!r} was given, but a tensor has no layers. Leave it out."
        )
    if data.is_complex():
        raise Edge2TorchError(f"data: the tensor holds {data.dtype}. Pass real numbers.")
    check_two_dimensional("tensor", tuple(data.shape))
    _check_width("tensor", data.shape[1], wanted)
    dense = data.to_dense() if data.layout != torch.strided else data
    values = dense.T.to(dtype, copy=True, memory_format=torch.contiguous_format)
    return values, AlignmentReport("tensor", data.shape[0], len(wanted))


def _from_source(
    data: object,
    layer: str | None,
    artifact: object,
    wanted: list[str],
    *,
    missing: float | Literal["error"],
    extra: Literal["ignore", "error"],
    dtype: torch.dtype,
) -> tuple[torch.Tensor, AlignmentReport]:
    """Read the wanted columns as a contiguous tensor (i, b)."""
    source = open_source(data, layer)
    n_samples, n_columns = source.shape
    lost: list[str] = []
    unused: list[str] = []
    if source.names is None:
        _check_width(source.label, n_columns, wanted)
        positions = np.arange(len(wanted))
    else:
        positions = _match(source.names, wanted)
        lost = [name for name, position in zip(wanted, positions, strict=True) if position < 0]
        known = set(wanted)
        unused = [name for name in source.names if name not in known]
    if lost and (missing == "error" or len(lost) == len(wanted)):
        raise Edge2TorchError(_missing_message(source, data, artifact, lost, wanted))
    if unused and extra == "error":
        raise Edge2TorchError(
            f"data: {len(unused)} column(s) of the {source.label} are not input nodes: "
            f"{listing(unused)}. Drop them, or pass extra='ignore'."
        )
    exact = np.float64 if dtype == torch.float64 else np.float32
    found = positions >= 0
    with np.errstate(over="ignore", invalid="ignore"):  # overflow turns infinite: refused below
        values = source.take(positions[found], exact)
    if lost:
        filled = np.full((len(wanted), n_samples), missing, exact)
        filled[found] = values
        values = filled
    owned = np.require(values, requirements=["C", "W"])
    fill = float(missing) if lost else None
    summary = AlignmentReport(
        source.label, n_samples, len(wanted), tuple(lost), fill, tuple(unused)
    )
    return torch.from_numpy(owned).to(dtype), summary


def _match(names: list[str], wanted: list[str]) -> NDArray[np.int64]:
    """Position of each wanted name, -1 where there is none; refuse a name that fits twice."""
    place = {name: position for position, name in enumerate(names)}
    if len(place) < len(names):
        count = Counter(names)
        if twice := [name for name in wanted if count[name] > 1]:
            raise Edge2TorchError(
                f"data: {len(twice)} input node(s) match more than one column: {listing(twice)}. "
                "Keep one column of each name (names are compared as str(name).strip())."
            )
    return np.array([place.get(name, -1) for name in wanted], dtype=np.int64)


def _check_width(label: str, width: int, wanted: list[str]) -> None:
    if width != len(wanted):
        raise Edge2TorchError(
            f"data: the {label} has {width} column(s) and the model {len(wanted)} input node(s): "
            f"{listing(wanted)}. Give one column per node in the order of artifact.feature_names, "
            "or a DataFrame whose columns carry the names."
        )


def _missing_message(
    source: Source, data: object, artifact: object, lost: list[str], wanted: list[str]
) -> str:
    said = (
        f"data: the {source.label} has no column for {len(lost)} of {len(wanted)} input node(s): "
        f"{listing(lost)}."
    )
    index = getattr(data, "index", getattr(data, "obs_names", ()))
    if not {str(name).strip() for name in index}.isdisjoint(lost):
        return f"{said} Its rows carry such names: pass data.T."
    said += case_hint(lost, source.names or ())
    if len(lost) == len(wanted):
        var = getattr(data, "var", None)
        for column in getattr(var, "columns", ()):
            if not set(var[column].map(str)).isdisjoint(lost):  # type: ignore[index]
                return (
                    f"{said} The column {column!r} of var has such names: set data.var_names = "
                    f"data.var[{column!r}]."
                )
        graph = getattr(getattr(artifact, "artifact", artifact), "graph", None)  # a VAE's has none
        if graph is not None:
            ends = set(graph.edges["target"]) - set(graph.edges["source"])
            if turned := turned_hint(len(ends.intersection(source.names or ()))):
                return said + turned
        return f"{said} Its columns are {listing(source.names or ())}. Use the nodes' names."
    return f"{said} Add them, or pass missing=0.0 (or another value) to fill them."


def _check_finite(values: torch.Tensor, wanted: list[str], dtype: torch.dtype) -> None:
    finite = torch.isfinite(values)
    if not finite.all():
        bad = torch.nonzero(~finite.all(dim=1)).flatten().tolist()
        raise Edge2TorchError(
            f"data: {int((~finite).sum())} value(s) are NaN or infinite as {dtype}, in "
            f"{len(bad)} column(s): {listing(wanted[k] for k in bad)}. Fill or drop them first, for "
            "example with the medians of the training samples: data.fillna(training.median())."
        )
