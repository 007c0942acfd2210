"""Put everything that was found under its names."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from edge2torch._core.messages import warn
from edge2torch._core.statistics import benjamini_hochberg
from edge2torch.netmodules._checkpoint import Checkpoint
from edge2torch.netmodules._features import Features
from edge2torch.netmodules._modules import (
    Eigengenes,
    correlations,
    eigengenes,
    module_name,
    significant_r,
)
from edge2torch.netmodules._result import NetworkModules

_ACTIVE = 0.2
_ROLE_CHANCE = 0.005  # with few samples, a correlation of .2 is nothing yet
Ints = NDArray[np.int64]
_FEWEST_SAMPLES = 10
_COLUMNS = ["module_id", "trait", "kind", "effect", "statistic", "pvalue", "qvalue", "n"]
_BROAD = 1 / 3  # of all genes
_FEWEST = 100  # genes, before a share of them says anything
_DEPTH = 0.5
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
    covariates: tuple[str, ...],
    checkpoint: Checkpoint | None,
) -> NetworkModules:
    """Eigengenes, traits and roles of the modules, and all tables of the result."""
    count = int(labels.max(initial=-1)) + 1
    names = [module_name(k) for k in range(count)]
    found = eigengenes(features.values, members)
    samples = features.samples
    values = pd.DataFrame(
        found.values, index=pd.Index(names, name="module_id", dtype=object), columns=samples.index
    )
    table = features.table
    traits = trait_table(values, samples)
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
        module_loadings=_module_loadings(found, names, table),
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
        config={**config, "covariates": list(covariates)},
        transform=features.transform,
        design=dict(features.design.recipe),
        checkpoint=checkpoint,
    )


def _modules(
    labels: NDArray[np.int64], names: list[str], gene_ids: NDArray[np.object_]
) -> pd.DataFrame:
    rows = np.lexsort((np.arange(len(labels)), labels))
    rows = rows[labels[rows] >= 0]
    return pd.DataFrame(
        {"gene_id": gene_ids[rows], "module_id": np.array(names, dtype=object)[labels[rows]]}
    )


def _module_loadings(found: Eigengenes, names: list[str], table: pd.DataFrame) -> pd.DataFrame:
    parts = [
        pd.DataFrame(
            {
                "module_id": name,
                "gene_id": table["gene_id"].to_numpy()[own],
                "feature_id": table["feature_id"].to_numpy()[own],
                "loading": loading,
            }
        )
        for name, own, loading in zip(names, found.members, found.loadings, strict=True)
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
    values, kind = features.values, features.is_switch
    least = max(_ACTIVE, significant_r(len(values), features.design.basis.shape[1], _ROLE_CHANCE))
    n = len(values)
    feature_of = np.full((2, len(features.gene_ids)), -1)
    for row, channel in enumerate((True, False)):
        own = np.flatnonzero(kind == channel)
        feature_of[row, features.gene[own]] = own
    parts = []
    for module, (name, used) in enumerate(zip(names, members, strict=True)):
        genes = np.flatnonzero(labels == module)
        r = np.full((2, len(genes)), np.nan)
        columns = feature_of[:, genes]
        for row, channel in enumerate((True, False)):
            own = used[kind[used] == channel]
            if len(own):
                reference = eigengenes(values, [own]).values[0]
                found = values[:, columns[row]].T @ reference / np.sqrt(n)
                r[row] = np.where(columns[row] >= 0, found, np.nan)
        both = (columns >= 0).all(axis=0)
        pair = (values[:, columns[0]] * values[:, columns[1]]).mean(axis=0)
        parts.append(
            pd.DataFrame(
                {
                    "module_id": name,
                    "gene_id": features.gene_ids[genes],
                    "switch_r": r[0],
                    "abundance_r": r[1],
                    "channel_r": np.where(both, pair, np.nan),
                }
            )
        )
    columns_ = ["module_id", "gene_id", "switch_r", "abundance_r", "channel_r"]
    table = pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=columns_)
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


def trait_table(eigengenes: pd.DataFrame, samples: pd.DataFrame) -> pd.DataFrame:
    """Every module against every trait; q-values over all rows (Benjamini and Hochberg)."""
    rows: list[dict[str, Any]] = []
    values = eigengenes.to_numpy()
    for trait in samples.columns:
        rows += [
            {"module_id": module, "trait": str(trait), **found}
            for module, found in zip(
                eigengenes.index, _test_all(values, samples[trait]), strict=True
            )
        ]
    table = pd.DataFrame(rows, columns=[c for c in _COLUMNS if c != "qvalue"])
    table.insert(6, "qvalue", benjamini_hochberg(table["pvalue"].to_numpy(dtype=float)))
    return table[_COLUMNS]


def _test_all(values: NDArray[np.float64], trait: pd.Series) -> list[dict[str, Any]]:
    """One test per eigengene; none where the trait does not allow one."""
    if pd.api.types.is_numeric_dtype(trait) and not pd.api.types.is_bool_dtype(trait):
        x = trait.to_numpy(dtype=float)
        there = np.isfinite(x)
        if there.sum() >= _FEWEST_SAMPLES and np.ptp(x[there]) > 0:
            return [_pearson(row[there], x[there]) for row in values]
        return [_nothing("pearson", there)] * len(values)
    there = trait.notna().to_numpy()
    text = trait[there].astype(str)
    levels = [level for level in sorted(text.unique()) if (text == level).sum() >= 2]
    kind = "welch" if len(levels) <= 2 else "anova"
    if len(levels) < 2:
        return [_nothing(kind, there)] * len(values)
    groups = [(text == level).to_numpy() for level in levels]
    test = _welch if kind == "welch" else _anova
    return [test([row[there][group] for group in groups]) for row in values]


def _pearson(y: NDArray[np.float64], x: NDArray[np.float64]) -> dict[str, Any]:
    r, p = stats.pearsonr(x, y)
    freedom = len(x) - 2
    t = r * np.sqrt(freedom / max(1 - r**2, 1e-300))
    return _found("pearson", r, t, p, len(x))


def _welch(groups: list[NDArray[np.float64]]) -> dict[str, Any]:
    """Effect: mean of the second level minus mean of the first, levels in alphabetical order."""
    first, second = groups
    t, p = stats.ttest_ind(second, first, equal_var=False)
    return _found("welch", second.mean() - first.mean(), t, p, len(first) + len(second))


def _anova(groups: list[NDArray[np.float64]]) -> dict[str, Any]:
    """Effect: eta squared, the share of the variance that lies between the groups."""
    f, p = stats.f_oneway(*groups)
    every = np.concatenate(groups)
    between = sum(len(g) * (g.mean() - every.mean()) ** 2 for g in groups)
    return _found("anova", between / ((every - every.mean()) ** 2).sum(), f, p, len(every))


def _found(kind: str, effect: Any, statistic: Any, pvalue: Any, n: int) -> dict[str, Any]:
    return {
        "kind": kind,
        "effect": float(effect),
        "statistic": float(statistic),
        "pvalue": float(pvalue),
        "n": n,
    }


def _nothing(kind: str, there: NDArray[np.bool_]) -> dict[str, Any]:
    return _found(kind, np.nan, np.nan, np.nan, int(there.sum()))


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
    n, rank = len(features.values), features.design.basis.shape[1]
    follows = np.zeros((n_genes, count), dtype=bool)
    strong = np.abs(correlations(features.values, members)) >= significant_r(n, rank, _CHECK_CHANCE)
    np.logical_or.at(follows, features.gene, strong)
    depth = np.log2(features.library)
    unit = _of_unit_length(depth[None])[0]
    table = pd.DataFrame(
        {
            "module_id": eigengenes.index.to_numpy(dtype=object),
            "genes": np.bincount(labels[labels >= 0], minlength=count),
            "reach": follows[tested].mean(axis=0),
            "depth_r": _of_unit_length(values) @ unit,
            "leverage": (values**2).max(axis=1),
            "sample_id": eigengenes.columns.to_numpy(dtype=object)[(values**2).argmax(axis=1)],
            "trait": _closest_trait(traits, eigengenes.index),
        }
    )
    depth_limit = max(_DEPTH, significant_r(n, rank, _CHECK_CHANCE))
    limits = (_BROAD if tested.sum() >= _FEWEST else 1, depth_limit, _lone_sample(n, rank))
    table["warning"] = [_sentence(row, *limits) for row in table.itertuples()]
    return table


def _lone_sample(n: int, rank: int) -> float:
    """Half, or with few samples what chance hardly gives the largest one (Grubbs' test)."""
    return max(_ONE_SAMPLE, (n - rank) / n * significant_r(n, rank, _CHECK_CHANCE / n) ** 2)


def warn_of(checks: pd.DataFrame) -> None:
    """Give one warning for all modules that have one."""
    said = [text for text in checks["warning"] if text]
    if said:
        more = f"; and {len(said) - _SHOWN} more" if len(said) > _SHOWN else ""
        warn(
            f"{len(said)} module(s) may be a batch effect or one odd sample: "
            f"{'; '.join(said[:_SHOWN])}{more}. If it is technical, name what measures it in "
            "covariates= (--covariates), or leave the odd sample out, and fit again; the figures "
            "are in result.checks (checks.parquet)."
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
