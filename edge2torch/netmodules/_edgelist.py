"""A result as an edge table to train on."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from edge2torch._core.messages import listing
from edge2torch.errors import Edge2TorchError
from edge2torch.netmodules._result import NetworkModules


def modules_to_edgelist(
    result: NetworkModules, traits: Sequence[str] | None = None, *, features: bool = False
) -> pd.DataFrame:
    """Return gene → module → trait as an edge table, ready for ``compile_graph`` and training.

    Parameters
    ----------
    result : NetworkModules
        With one module or more.
    traits : sequence of str, optional
        Columns of the sample table; every module leads to each. All by default.
    features : bool
        Put the features in front: feature → gene → module → trait, so that ``feature_scores``
        are the inputs.

    Returns
    -------
    DataFrame
        ``source``, ``target``.

    Raises
    ------
    Edge2TorchError
        When there are no modules, or a trait is no column of the samples.

    Examples
    --------
    >>> from edge2torch.netmodules import fit_modules
    >>> from edge2torch.simulate import planted_modules
    >>> planted = planted_modules(n_modules=2, module_size=12, n_background=20, seed=0)
    >>> found = fit_modules(
    ...     planted.counts, planted.transcripts, planted.samples, backend="latent", quiet=True)
    >>> modules_to_edgelist(found, ["trait"]).tail(2)
       source target
    24   M000  trait
    25   M001  trait
    """
    if not result.module_ids:
        raise Edge2TorchError("result has no modules, so there are no edges.")
    known = [str(name) for name in result.samples.columns]
    wanted = known if traits is None else list(traits)
    if unknown := [name for name in wanted if name not in known]:
        raise Edge2TorchError(
            f"traits: {listing(unknown)} are no column of the samples; columns are "
            f"{listing(known, 10) or 'none'}."
        )
    if not wanted:
        raise Edge2TorchError("traits: there is none to lead to. Name columns of the samples.")
    pairs = [
        result.modules.set_axis(["source", "target"], axis=1),
        pd.MultiIndex.from_product(
            [result.module_ids, wanted], names=["source", "target"]
        ).to_frame(index=False),
    ]
    if features:
        used = result.module_loadings[["feature_id", "gene_id"]].drop_duplicates()
        pairs.insert(0, used.set_axis(["source", "target"], axis=1))
        bare = set(result.modules["gene_id"]) - set(used["gene_id"])
        pairs[1] = pairs[1][~pairs[1]["source"].isin(bare)]
    return pd.concat(pairs, ignore_index=True)
