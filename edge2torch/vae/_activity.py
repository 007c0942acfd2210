"""Which latents differ between groups of cells, and which genes a latent speaks for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from scipy import stats

from edge2torch._core.messages import listing
from edge2torch._core.names import nearest
from edge2torch._core.samples import by_sample
from edge2torch.compile import find_edge_model
from edge2torch.errors import Edge2TorchError
from edge2torch.vae._cells import Cells
from edge2torch.vae._named import NamedVAE
from edge2torch.vae._tables import posterior, query_cells


def path_weights(vae: NamedVAE, latents: list[str]) -> pd.DataFrame:
    """Return the sum over paths of the product of weights, latents by genes."""
    artifact = vae.artifact.decoder
    linear = find_edge_model(vae.decoder.network, artifact).with_stages({})
    places = [artifact.feature_names.index(name) for name in latents]
    like = next(vae.parameters())
    ask = torch.zeros(len(places) + 1, len(artifact.feature_names)).to(like)
    ask[torch.arange(len(places)), places] = 1
    with torch.no_grad():
        told = linear(ask)
    values = (told[:-1] - told[-1]).cpu().numpy()
    return pd.DataFrame(values, index=latents, columns=artifact.output_names)


def orientation(vae: NamedVAE) -> NDArray[np.float64]:
    """Return +1 where a latent's genes go up with it on the whole, -1 where they go down (k,)."""
    total = path_weights(vae, vae.artifact.latent_names).sum(axis=1).to_numpy()
    return np.where(total < 0, -1.0, 1.0)


def mean_weight(vae: NamedVAE) -> NDArray[np.float64]:
    """Return the absolute mean path weight over a latent's genes (k,)."""
    weights = path_weights(vae, vae.artifact.latent_names).to_numpy(np.float64)
    reached = np.maximum((weights != 0).sum(axis=1), 1)
    return np.asarray(np.abs(weights.sum(axis=1)) / reached)


def explain(vae: NamedVAE, name: str, top: int | None) -> pd.DataFrame:
    """Return a latent's genes, heaviest first."""
    if name not in vae.artifact.latent_names:
        raise Edge2TorchError(
            f"latent {name!r} is not in the model. It has {listing(vae.artifact.latent_names)}."
            f"{nearest(name, vae.artifact.latent_names)}"
        )
    weights = path_weights(vae, [name]).iloc[0]
    table = pd.DataFrame({"gene": weights.index, "weight": weights.to_numpy()})
    prior = vae.design.decoder_edges
    if prior is not None and name in vae.artifact.annotated_names:
        inside, below = set(), {name}
        while below:  # one turn per level of the hierarchy
            inside |= below
            below = set(prior.loc[prior["source"].isin(below), "target"]) - inside
        table["in_prior"] = table["gene"].isin(inside)
    table = table[table["weight"] != 0]
    order = table["weight"].abs().sort_values(ascending=False, kind="stable").index
    return table.loc[order].iloc[:top].reset_index(drop=True)


def differential_activity(
    model: NamedVAE,
    data: Any,
    groupby: str | Sequence[Any],
    *,
    layer: str | None = None,
    obs: pd.DataFrame | None = None,
    samples: int = 5000,
    seed: int = 0,
) -> pd.DataFrame:
    """Compare each group's latents with those of all other cells.

    Latents are turned so that their genes go up with them on the whole, by the sum of their path
    weights in the decoder.

    Parameters
    ----------
    model : EdgeVAE
        A fitted model.
    data : AnnData, DataFrame, ndarray or sparse matrix
        Cells.
    groupby : str or sequence
        A column of ``obs``, or a label per cell; cells without one take no part.
    layer : str, optional
        Layer of an AnnData.
    obs : DataFrame, optional
        The cells' table, where data is no AnnData.
    samples : int
        Pairs of posterior samples, one of a cell in the group and one of a cell outside.
    seed : int
        Fixes the samples.

    Returns
    -------
    DataFrame
        By group and latent, most active first: ``mean`` and ``mean_rest`` of posterior means,
        ``effect_size`` (their difference in pooled standard deviations), ``log_bayes_factor``
        (log of the odds that a cell in the group has the higher value), ``p_value`` of the rank
        sum test of posterior means, and ``fdr``, Benjamini-Hochberg over a group's latents.

    Raises
    ------
    Edge2TorchError
        For groups of fewer than two cells, and an unknown column.

    Examples
    --------
    >>> import numpy as np
    >>> from edge2torch.vae import compile_vae
    >>> model, _ = compile_vae(features=["g1", "g2"], latents=2)
    >>> counts = np.random.default_rng(0).poisson(3, (12, 2))
    >>> table = differential_activity(model, counts, ["a", "b"] * 6)
    >>> table["group"].tolist()
    ['a', 'a', 'b', 'b']

    References
    ----------
    Bayes factors: Lopez et al. 2018, doi:10.1038/s41592-018-0229-2.
    """
    cells = query_cells(model, data, layer, obs, "error")
    if isinstance(groupby, str):
        table = getattr(data, "obs", None) if obs is None else obs
        if table is None or groupby not in table:
            raise Edge2TorchError(f"groupby={groupby!r} is not a column of the cells' table.")
        groupby = table[groupby].tolist()
    given = list(by_sample("groupby", groupby, cells.names))
    if len(given) != len(cells):
        raise Edge2TorchError(f"groupby has {len(given)} labels for {len(cells)} cell(s).")
    labels = pd.Series(given, index=cells.names, dtype=object)
    return compare(model, cells, labels, samples, seed)


def compare(
    vae: NamedVAE, cells: Cells, labels: pd.Series, samples: int, seed: int
) -> pd.DataFrame:
    """Return one row per group and latent; see :func:`differential_activity`."""
    mean, sd = posterior(vae, cells)
    sign = torch.from_numpy(orientation(vae)).to(mean)
    mean = mean * sign
    generator = torch.Generator().manual_seed(seed)
    tables = []
    for group in sorted(labels.dropna().unique(), key=str):
        own = torch.from_numpy((labels == group).to_numpy())
        rest = torch.from_numpy((labels.notna() & (labels != group)).to_numpy())
        if int(own.sum()) < 2 or int(rest.sum()) < 2:
            raise Edge2TorchError(
                f"groupby: group {group!r} has {int(own.sum())} cell(s) and the others "
                f"{int(rest.sum())}; at least two of each are needed. Join it to another group."
            )
        tables.append(_one_group(vae, group, mean, sd, own, rest, samples, generator))
    return pd.concat(tables, ignore_index=True)


def _one_group(
    vae: NamedVAE,
    group: Any,
    mean: torch.Tensor,
    sd: torch.Tensor,
    own: torch.Tensor,
    rest: torch.Tensor,
    samples: int,
    generator: torch.Generator,
) -> pd.DataFrame:
    def draw(chosen: torch.Tensor) -> torch.Tensor:
        rows = torch.nonzero(chosen).flatten()
        rows = rows[torch.randint(len(rows), (samples,), generator=generator)]
        return mean[rows] + sd[rows] * torch.randn(samples, mean.shape[1], generator=generator)

    above = ((draw(own) > draw(rest)).double().mean(0).numpy() * samples + 0.5) / (samples + 1)
    a, b = mean[own].double().numpy(), mean[rest].double().numpy()
    pooled = np.sqrt(
        ((len(a) - 1) * a.var(0, ddof=1) + (len(b) - 1) * b.var(0, ddof=1)) / (len(a) + len(b) - 2)
    )
    p_value = np.asarray(stats.mannwhitneyu(a, b, axis=0).pvalue)
    table = pd.DataFrame(
        {
            "group": group,
            "latent": vae.artifact.latent_names,
            "mean": a.mean(0),
            "mean_rest": b.mean(0),
            "effect_size": (a.mean(0) - b.mean(0)) / np.maximum(pooled, 1e-12),
            "log_bayes_factor": np.log(above) - np.log1p(-above),
            "p_value": p_value,
            "fdr": stats.false_discovery_control(p_value),
        }
    )
    return table.sort_values("log_bayes_factor", ascending=False, kind="stable", ignore_index=True)
