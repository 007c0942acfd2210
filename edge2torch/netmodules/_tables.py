"""The tables of a result: modules, roles of genes, traits, checks, edges for a model, all by name.

The checks look for modules that may not be a program of genes but a batch effect, or one odd sample.
The genes of a program follow it and others do not. A batch effect moves a large part of all genes, of
which the module holds only those that nothing else moves more. An eigengene that is more one sample
than all others together (two equal ones never are) says nothing about the others.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from edge2torch._core.covariates import category_by_name
from edge2torch._core.messages import listing, warn
from edge2torch._core.statistics import benjamini_hochberg
from edge2torch.errors import Edge2TorchError
from edge2torch.netmodules._features import Features
from edge2torch.netmodules._modules import (
    Eigengenes,
    correlations,
    eigengenes,
    module_name,
    significant_r,
)
from edge2torch.netmodules._result import NetworkModules
from edge2torch.netmodules._similarity import Checkpoint

Ints = NDArray[np.int64]

# roles
_ACTIVE = 0.2  # least correlation of a channel with its module
_ROLE_CHANCE = 0.005  # with few samples, a correlation of .2 is nothing yet
# traits
_MIN_PAIRS = 10
_COLUMNS = ["module_id", "trait", "kind", "effect", "statistic", "pvalue", "qvalue", "n"]
# checks
_BROAD = 1 / 3  # of all genes
_MIN_GENES = 100  # before a share of them says anything
_DEPTH = 0.5  # correlation with the sequencing depth
_ONE_SAMPLE = 0.5  # of the eigengene's sum of squares
_CHECK_CHANCE = 0.001
_SHOWN = 3


def assemble_result(
    features: Features,
    members: list[NDArray[np.int64]],
    edges: pd.DataFrame,
    *,
    labels: NDArray[np.int64],
    fate: NDArray[np.object_],
    calibration: dict[str, Any],
    config: dict[str, Any],
    checkpoint: Checkpoint | None,
) -> NetworkModules:
    """Eigengenes, traits and roles of the modules, and all tables of the result."""
    names = [module_name(k) for k in range(len(members))]
    modules = eigengenes(features.values, members)
    samples = features.samples
    values = pd.DataFrame(
        modules.values, index=pd.Index(names, name="module_id", dtype=object), columns=samples.index
    )
    table = features.table
    traits = trait_table(values, samples, config.get("covariates", ()))
    return NetworkModules(
        modules=_modules(labels, names, features.gene_ids),
        edges=edges,
        eigengenes=values,
        traits=traits,
        feature_scores=pd.DataFrame(
            features.values, index=samples.index, columns=pd.Index(table["feature_id"], name=None)
        ),
        features=table,
        loadings=features.loadings,
        module_loadings=_module_loadings(modules, names, table),
        module_gene_roles=gene_roles(features, labels, members, names),
        gene_fate=pd.DataFrame(
            {
                "gene_id": features.gene_ids,
                "fate": fate,
                "module_id": [names[k] if k >= 0 else None for k in labels],
            }
        ),
        checks=module_checks(features, labels, members, values, traits),
        residualization=features.residualization,
        samples=samples,
        calibration=calibration,
        config=config,
        transform=features.transform,
        design=dict(features.design.recipe),
        checkpoint=checkpoint,
    )


def _modules(
    labels: NDArray[np.int64], names: list[str], gene_ids: NDArray[np.object_]
) -> pd.DataFrame:
    rows = np.argsort(labels, kind="stable")  # by module, genes in their order
    rows = rows[labels[rows] >= 0]
    return pd.DataFrame(
        {"gene_id": gene_ids[rows], "module_id": np.array(names, dtype=object)[labels[rows]]}
    )


def _module_loadings(modules: Eigengenes, names: list[str], table: pd.DataFrame) -> pd.DataFrame:
    parts = [
        pd.DataFrame(
            {
                "module_id": name,
                "gene_id": table["gene_id"].to_numpy()[used],
                "feature_id": table["feature_id"].to_numpy()[used],
                "loading": loading,
            }
        )
        for name, used, loading in zip(names, modules.members, modules.loadings, strict=True)
    ]
    columns = ["module_id", "gene_id", "feature_id", "loading"]
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=columns)


def gene_roles(
    features: Features, labels: Ints, members: list[Ints], names: list[str]
) -> pd.DataFrame:
    """Correlate both channels of every gene with its module's reference of that channel.

    The reference is the first right singular vector of the features of that channel which take
    part in the module; a channel in which none does has no reference, and nothing is active in it.
    """
    values, is_switch = features.values, features.is_switch
    n, rank = len(values), features.design.rank
    channels = (is_switch, ~is_switch)
    feature_of = np.full((2, len(features.gene_ids)), -1)  # -1: the gene has none in the channel
    for row, channel in enumerate(channels):
        feature_of[row, features.gene[channel]] = np.flatnonzero(channel)
    columns = ["module_id", "gene_id", "switch_r", "abundance_r", "channel_r"]
    parts = []
    for module, (name, used) in enumerate(zip(names, members, strict=True)):
        genes = np.flatnonzero(labels == module)
        at = feature_of[:, genes]
        r = np.full((2, len(genes)), np.nan)
        for row, channel in enumerate(channels):
            chosen = used[channel[used]]
            if len(chosen):
                reference = eigengenes(values, [chosen]).values[0]  # of unit length
                along = values[:, at[row]].T @ reference / np.sqrt(n)
                r[row] = np.where(at[row] >= 0, along, np.nan)
        between = (values[:, at[0]] * values[:, at[1]]).mean(axis=0)
        between = np.where((at >= 0).all(axis=0), between, np.nan)
        entries = [name, features.gene_ids[genes], *r, between]
        parts.append(pd.DataFrame(dict(zip(columns, entries, strict=True))))
    table = pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=columns)
    least = max(_ACTIVE, significant_r(n, rank, _ROLE_CHANCE))
    return table.assign(role=role_names(table, least))


def role_names(table: pd.DataFrame, least: float) -> NDArray[np.object_]:
    """The role that two channel correlations and the one between them make."""
    switch = table["switch_r"].abs().to_numpy(dtype=float) >= least
    abundance = table["abundance_r"].abs().to_numpy(dtype=float) >= least
    coupled = table["channel_r"].to_numpy(dtype=float) >= _ACTIVE
    return np.select(
        [switch & abundance & coupled, switch & abundance, switch, abundance],
        ["coupled", "discordant", "switch_only", "abundance_only"],
        "inactive",
    ).astype(object)


def trait_table(
    eigengenes: pd.DataFrame, samples: pd.DataFrame, covariates: Sequence[str] = ()
) -> pd.DataFrame:
    """Every module against every trait; q-values over all rows (Benjamini and Hochberg).

    A trait that is a covariate, too, is taken as it is there.
    """
    values = eigengenes.to_numpy()
    rows = [
        {"module_id": module, "trait": str(trait), **test}
        for trait in samples.columns
        for module, test in zip(
            eigengenes.index, _test_all(values, _as_tested(samples[trait], covariates)), strict=True
        )
    ]
    table = pd.DataFrame(rows, columns=[c for c in _COLUMNS if c != "qvalue"])
    qvalues = benjamini_hochberg(table["pvalue"].to_numpy(dtype=float))
    return table.assign(qvalue=qvalues)[_COLUMNS]


def _as_tested(trait: pd.Series, covariates: Sequence[str]) -> pd.Series:
    """Codes of a category as text; what is not known stays missing."""
    if not category_by_name(trait, covariates):
        return trait
    return trait.astype(object).where(trait.notna(), None)


def _test_all(values: NDArray[np.float64], trait: pd.Series) -> list[dict[str, Any]]:
    """One test per eigengene, with missing numbers where the trait does not allow one."""
    if pd.api.types.is_numeric_dtype(trait) and not pd.api.types.is_bool_dtype(trait):
        x = trait.to_numpy(dtype=float)
        known = np.isfinite(x)
        if known.sum() >= _MIN_PAIRS and np.ptp(x[known]) > 0:
            return [_pearson(row[known], x[known]) for row in values]
        return [_test("pearson", np.nan, np.nan, np.nan, known.sum())] * len(values)
    known = trait.notna().to_numpy()
    text = trait[known].astype(str)
    # a level of one sample has no variance to test with
    levels = [level for level in sorted(text.unique()) if (text == level).sum() >= 2]
    kind = "welch" if len(levels) <= 2 else "anova"
    if len(levels) < 2:
        return [_test(kind, np.nan, np.nan, np.nan, known.sum())] * len(values)
    groups = [(text == level).to_numpy() for level in levels]
    test = _welch if kind == "welch" else _anova
    return [test([row[known][group] for group in groups]) for row in values]


def _pearson(y: NDArray[np.float64], x: NDArray[np.float64]) -> dict[str, Any]:
    r, p = stats.pearsonr(x, y)
    freedom = len(x) - 2
    t = r * np.sqrt(freedom / max(1 - r**2, 1e-300))  # a trait may be the eigengene itself
    return _test("pearson", r, t, p, len(x))


def _welch(groups: list[NDArray[np.float64]]) -> dict[str, Any]:
    """Effect: mean of the second level minus mean of the first, levels in alphabetical order."""
    first, second = groups
    t, p = stats.ttest_ind(second, first, equal_var=False)
    return _test("welch", second.mean() - first.mean(), t, p, len(first) + len(second))


def _anova(groups: list[NDArray[np.float64]]) -> dict[str, Any]:
    """Effect: eta squared, the share of the variance that lies between the groups."""
    f, p = stats.f_oneway(*groups)
    every = np.concatenate(groups)
    between = sum(len(g) * (g.mean() - every.mean()) ** 2 for g in groups)
    return _test("anova", between / ((every - every.mean()) ** 2).sum(), f, p, len(every))


def _test(kind: str, effect: Any, statistic: Any, pvalue: Any, n: Any) -> dict[str, Any]:
    return {
        "kind": kind,
        "effect": float(effect),
        "statistic": float(statistic),
        "pvalue": float(pvalue),
        "n": int(n),
    }


def module_checks(
    features: Features,
    labels: NDArray[np.int64],
    members: list[NDArray[np.int64]],
    eigengenes: pd.DataFrame,
    traits: pd.DataFrame,
) -> pd.DataFrame:
    """A row per module: its size, who follows it, what it rests on, and a warning or none."""
    count, n_genes = len(eigengenes), len(labels)
    values = eigengenes.to_numpy(dtype=float)
    tested = np.bincount(features.gene, minlength=n_genes) > 0
    n, rank = len(features.values), features.design.rank
    follows = np.zeros((n_genes, count), dtype=bool)
    # a gene's own part is left out of the eigengene, or every module would seem to be followed
    strong = np.abs(correlations(features.values, members)) >= significant_r(n, rank, _CHECK_CHANCE)
    np.logical_or.at(follows, features.gene, strong)
    depth = np.log2(features.library)
    table = pd.DataFrame(
        {
            "module_id": eigengenes.index.to_numpy(dtype=object),
            "genes": np.bincount(labels[labels >= 0], minlength=count),
            "reach": follows[tested].mean(axis=0),
            "depth_r": _of_unit_length(values) @ _of_unit_length(depth[None])[0],
            "leverage": (values**2).max(axis=1),
            "sample_id": eigengenes.columns.to_numpy(dtype=object)[(values**2).argmax(axis=1)],
            "trait": _closest_trait(traits, eigengenes.index),
        }
    )
    depth_limit = max(_DEPTH, significant_r(n, rank, _CHECK_CHANCE))
    limits = (_BROAD if tested.sum() >= _MIN_GENES else 1, depth_limit, _lone_sample(n, rank))
    table["warning"] = [_sentence(row, *limits) for row in table.itertuples()]
    return table


def _lone_sample(n: int, rank: int) -> float:
    """Half, or with few samples what chance hardly gives the largest one (Grubbs' test)."""
    return max(_ONE_SAMPLE, (n - rank) / n * significant_r(n, rank, _CHECK_CHANCE / n) ** 2)


def warn_if_suspect(checks: pd.DataFrame) -> None:
    """Give one warning for all modules that have one."""
    warnings = [text for text in checks["warning"] if text]
    if warnings:
        more = f"; and {len(warnings) - _SHOWN} more" if len(warnings) > _SHOWN else ""
        warn(
            f"{len(warnings)} module(s) may be a batch effect or one odd sample: "
            f"{'; '.join(warnings[:_SHOWN])}{more}. If it is technical, name what measures it "
            "among the covariates, or leave the odd sample out, and fit again; the figures are in "
            "result.checks (checks.parquet)."
        )


def _of_unit_length(rows: NDArray[np.float64]) -> NDArray[np.float64]:
    centred = rows - rows.mean(axis=1, keepdims=True)
    size = np.sqrt((centred**2).sum(axis=1, keepdims=True))
    return np.asarray(centred / np.where(size > 0, size, 1))


def _closest_trait(traits: pd.DataFrame, module_ids: pd.Index) -> NDArray[np.object_]:
    """The column of samples that each module is closest to, "" where chance would do."""
    clear = traits[traits["qvalue"] < _CHECK_CHANCE].sort_values("pvalue", kind="stable")
    first = clear.drop_duplicates("module_id").set_index("module_id")["trait"]
    return first.reindex(module_ids).fillna("").to_numpy(dtype=object)


def _sentence(row: Any, broad: float, deep: float, lone: float) -> str:
    parts = []
    if row.reach > broad:
        parts.append(f"{row.reach:.0%} of all genes follow {row.module_id}")
    if abs(row.depth_r) >= deep:
        parts.append(f"{row.module_id} moves with sequencing depth (r = {row.depth_r:.2f})")
    if row.leverage > lone:
        parts.append(f"{row.leverage:.0%} of {row.module_id} is sample {row.sample_id!r}")
    if parts and row.trait:
        parts.append(f"it goes with {row.trait!r} of the samples")
    return ", ".join(parts)


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
        When there are no modules, or a trait is not a column of the samples.

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
            f"traits: {listing(unknown)} are not columns of the samples; columns are "
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
        # a gene whose features have no part in the eigengene would be an input of its own
        bare = set(result.modules["gene_id"]) - set(used["gene_id"])
        pairs[1] = pairs[1][~pairs[1]["source"].isin(bare)]
    return pd.concat(pairs, ignore_index=True)
