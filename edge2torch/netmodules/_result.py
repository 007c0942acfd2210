"""What every backend returns: one frozen result of named tables, and its folder of Parquet and JSON."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from html import escape
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from edge2torch._core.files import (
    path_of,
    read_manifest,
    replace_folder,
    restore_folder,
    staging_dir,
)
from edge2torch._core.messages import listing, require
from edge2torch._core.parquet import read_parquet
from edge2torch.compile import CompileArtifact, compile_graph, load_compiled, save_compiled
from edge2torch.errors import Edge2TorchError
from edge2torch.netmodules._features import module_scores, score_samples
from edge2torch.netmodules._input import TranscriptData
from edge2torch.netmodules._modules import closest_modules, leave_one_out
from edge2torch.netmodules._similarity import Checkpoint
from edge2torch.nn import CompiledModel

# Tables whose index carries names, and what these are
_INDEXED = {"eigengenes": "module_id", "feature_scores": "sample_id", "samples": "sample_id"}
# The files of a saved result, and the columns that each needs
_TABLES: dict[str, Sequence[str]] = {
    **{name: [column] for name, column in _INDEXED.items()},
    "transform": [],  # its columns are those of the design
    **{
        name: columns.split()
        for name, columns in {
            "modules": "gene_id module_id",
            "edges": "source target weight source_feature target_feature source_type target_type",
            "traits": "module_id trait kind effect statistic pvalue qvalue n",
            "features": "feature_id gene_id feature_type mean sd",
            "loadings": "transcript_id gene_id loading",
            "module_loadings": "module_id gene_id feature_id loading",
            "module_gene_roles": "module_id gene_id switch_r abundance_r channel_r role",
            "gene_fate": "gene_id fate module_id",
            "checks": "module_id genes reach depth_r leverage sample_id trait warning",
            "residualization": "feature_id variance_kept r2_before r2_after",
        }.items()
    },
}
_FORMAT, _VERSION = "edge2torch-modules", 3
_MANIFEST = "modules.json"
_JSON = ("calibration", "config", "design")
_CHECKPOINT = "vae_checkpoint"

_ROWS, _GENES = 10, 4  # in a notebook


@dataclass(frozen=True, eq=False, repr=False)
class NetworkModules:
    """Modules of genes, and all that was found on the way, by name.

    Every backend fills the same tables. :meth:`save` writes them into a folder that
    :func:`load_modules` reads back.

    Parameters
    ----------
    modules : DataFrame
        ``gene_id``, ``module_id``; a row per gene in a module. ``M000`` is the largest.
    edges : DataFrame
        The gene graph: ``source``, ``target`` (genes), ``weight`` (0 to 1), and the strongest pair
        of features that speaks for it (``source_feature``, ``target_feature``, and their types).
    eigengenes : DataFrame, modules × samples
        First right singular vector of the module's standardised features, of unit length, its
        sign aligned with their mean.
    traits : DataFrame
        ``module_id``, ``trait``, ``kind`` (``pearson``, ``welch`` or ``anova``), ``effect``
        (r, difference of means, or eta squared), ``statistic``, ``pvalue``, ``qvalue``, ``n``.
    feature_scores : DataFrame, samples × features
        Standardised scores that the modules were found in.
    features : DataFrame
        ``feature_id``, ``gene_id``, ``feature_type`` (``switch`` or ``abundance``), and the
        ``mean`` and ``sd`` that raw scores were standardised by.
    loadings : DataFrame
        ``transcript_id``, ``gene_id``, ``loading`` on the gene's switch coordinate.
    module_loadings : DataFrame
        ``module_id``, ``gene_id``, ``feature_id``, ``loading``: the eigengene is the sum of
        loading × standardised score.
    module_gene_roles : DataFrame
        ``module_id``, ``gene_id``, ``switch_r``, ``abundance_r``, ``channel_r``, ``role``.
    gene_fate : DataFrame
        ``gene_id``, ``fate`` (``module``, ``low counts``, ``isolated``, ``below size``,
        ``down-weighted``, ``outside core``), ``module_id``.
    checks : DataFrame
        ``module_id``, ``genes`` in it, ``reach`` (share of all genes with a feature that correlate
        with it), ``depth_r`` (correlation with the log library size), ``leverage`` (the largest
        share of one sample in the eigengene's sum of squares) and that ``sample_id``, ``trait``
        (the column of samples it is closest to, where that is no chance), and a ``warning`` where
        the module may be a batch effect or one odd sample, else empty.
    residualization : DataFrame
        ``feature_id``, ``variance_kept``, ``r2_before``, ``r2_after``; empty without covariates.
    samples : DataFrame
        Traits and covariates, indexed by ``sample_id``.
    calibration, config : dict
        What the backend reports about its fit, and the settings it ran with.
    transform : DataFrame
        A row per transcript or gene: the coefficients that turn new counts into scores.
    design : dict
        How covariates become the columns of the design matrix.
    checkpoint : Checkpoint, optional
        Encoder and decoder of the ``vae`` backend.

    Examples
    --------
    >>> from edge2torch.netmodules import fit_modules
    >>> from edge2torch.simulate import planted_modules
    >>> planted = planted_modules(n_modules=2, module_size=12, n_background=20, seed=0)
    >>> found = fit_modules(
    ...     planted.counts, planted.transcripts, planted.samples, backend="latent", quiet=True)
    >>> found
    NetworkModules(backend='latent', 2 modules, ... of ... genes, ... edges, 60 samples)
    """

    modules: pd.DataFrame
    edges: pd.DataFrame
    eigengenes: pd.DataFrame
    traits: pd.DataFrame
    feature_scores: pd.DataFrame
    features: pd.DataFrame
    loadings: pd.DataFrame
    module_loadings: pd.DataFrame
    module_gene_roles: pd.DataFrame
    gene_fate: pd.DataFrame
    checks: pd.DataFrame
    residualization: pd.DataFrame
    samples: pd.DataFrame
    calibration: Mapping[str, Any]
    config: Mapping[str, Any]
    transform: pd.DataFrame
    design: Mapping[str, Any]
    checkpoint: Checkpoint | None = field(default=None)

    @property
    def backend(self) -> str:
        """Name of the backend that found the modules."""
        return str(self.config["backend"])

    @property
    def module_ids(self) -> list[str]:
        """Modules, the largest first."""
        return [str(name) for name in self.eigengenes.index]

    @cached_property
    def _genes_of(self) -> dict[str, list[str]]:
        return {str(k): list(v) for k, v in self.modules.groupby("module_id")["gene_id"]}

    def genes(self, module_id: str) -> list[str]:
        """Return the genes of a module.

        Raises
        ------
        Edge2TorchError
            When there is no such module.
        """
        if module_id not in self._genes_of:
            raise Edge2TorchError(
                f"module_id={module_id!r}: no such module. Modules are "
                f"{listing(self.module_ids, 10) or 'none'}."
            )
        return list(self._genes_of[module_id])

    def eigengenes_without_genes(
        self, module_id: str, scores: pd.DataFrame | None = None
    ) -> pd.DataFrame:
        """Return the eigengene of a module without each of its genes in turn, genes × samples.

        What a gene of the module is to be tested against: it is a part of the module's own
        eigengene and correlates with that by construction. ``scores`` are those of other samples,
        as :meth:`score` returns them; the fit's own by default.

        Raises
        ------
        Edge2TorchError
            When there is no such module.
        """
        genes = self.genes(module_id)
        used = self.module_loadings[self.module_loadings["module_id"] == module_id]
        table = (self.feature_scores if scores is None else scores)[used["feature_id"]]
        values = table.to_numpy(dtype=np.float64)
        values = values - values.mean(axis=0)  # of the fit's own samples it is zero
        gene = pd.Index(genes).get_indexer(pd.Index(used["gene_id"]))
        without = leave_one_out(values, gene, len(genes))
        return pd.DataFrame(without, pd.Index(genes, name="gene_id", dtype=object), table.index)

    def switch_pairs(self) -> pd.DataFrame:
        """Pair, in each gene, the transcript that gains most in a switch with the one that loses most.

        By :attr:`loadings`: ``gene_id``, ``transcript_id_a`` (largest), ``transcript_id_b`` (smallest).
        """
        table = self.loadings.sort_values(["gene_id", "loading", "transcript_id"], kind="stable")
        ends = table.groupby("gene_id", sort=True)["transcript_id"].agg(["last", "first"])
        ends = ends[ends["last"] != ends["first"]]
        sides = ["transcript_id_a", "transcript_id_b"]
        return ends.set_axis(sides, axis=1).rename_axis("gene_id").reset_index()

    def compare(self, other: NetworkModules) -> pd.DataFrame:
        """Return, for every module, the closest one of another result, of other seeds or samples.

        Genes are matched by id: ``module_id``, ``genes``, ``closest``, ``jaccard``.
        """
        if not isinstance(other, NetworkModules):
            raise Edge2TorchError(
                f"other must be NetworkModules, found {type(other).__name__}. Of a saved folder take "
                "NetworkModules.load(folder)."
            )
        return closest_modules(self.modules, other.modules)

    def compile(self) -> tuple[CompiledModel, CompileArtifact]:
        """Return features → genes → modules as a compiled model with the fitted loadings.

        On the standardised scores (``feature_scores``) it returns the eigengenes.
        """
        table = self.module_loadings
        if table.empty:
            raise Edge2TorchError("There are no modules, so there is nothing to compile.")
        # a gene of two modules is a node in each: its features have other loadings there
        gene = table["gene_id"] + "::" + table["module_id"]
        into_gene = pd.DataFrame(
            {"source": table["feature_id"], "target": gene, "initial_weight": table["loading"]}
        )
        into_module = pd.DataFrame(
            {"source": gene, "target": table["module_id"], "initial_weight": 1.0}
        ).drop_duplicates(["source", "target"])
        edges = pd.concat([into_gene, into_module], ignore_index=True).assign(constraint="fixed")
        return compile_graph(edges, quiet=True, bias=False, outputs=self.module_ids)

    def score(self, data: TranscriptData) -> pd.DataFrame:
        """Return the standardised scores of new samples, samples × features."""
        return score_samples(data, self.transform, self.features, self.design)

    def eigengenes_of(self, data: TranscriptData) -> pd.DataFrame:
        """Return the eigengenes of new samples, modules × samples."""
        return module_scores(self.score(data), self.module_loadings, self.module_ids)

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the result into a folder, which is replaced as a whole; return the folder."""
        require("pyarrow", extra="modules")
        folder = path_of(path)
        # never replace a folder that is not ours
        ours = (folder / _MANIFEST).is_file() or (folder.is_dir() and not any(folder.iterdir()))
        if folder.exists() and not ours:
            raise Edge2TorchError(
                f"path={str(folder)!r} holds something other than modules. Give a new folder."
            )
        folder.parent.mkdir(parents=True, exist_ok=True)
        with staging_dir(folder.parent) as aside:
            draft = aside / folder.name
            draft.mkdir()
            self._fill(draft)
            replace_folder(draft, folder)
        return folder

    def _fill(self, draft: Path) -> None:
        for name in _TABLES:
            table = getattr(self, name)
            if name in _INDEXED:
                table = table.rename_axis(index=_INDEXED[name], columns=None).reset_index()
            table.to_parquet(draft / f"{name}.parquet", index=False)
        index = {
            "format": _FORMAT,
            "format_version": _VERSION,
            "backend": self.backend,
            "tables": sorted(_TABLES),
            _CHECKPOINT: self.checkpoint is not None,
            **{name: dict(getattr(self, name)) for name in _JSON},
        }
        text = json.dumps(index, indent=1, ensure_ascii=False)
        (draft / _MANIFEST).write_text(text, encoding="utf-8")
        if (c := self.checkpoint) is not None:
            save_compiled(draft / _CHECKPOINT / "encoder", c.encoder, c.encoder_artifact)
            save_compiled(draft / _CHECKPOINT / "decoder", c.decoder, c.decoder_artifact)

    def __repr__(self) -> str:
        return (
            f"NetworkModules(backend={self.backend!r}, {len(self.eigengenes):,} modules, "
            f"{self.modules['gene_id'].nunique():,} of {len(self.gene_fate):,} genes, "
            f"{len(self.edges):,} edges, {self.eigengenes.shape[1]:,} samples)"
        )

    def _repr_html_(self) -> str:
        size = self.module_loadings["loading"].abs()
        ranked = self.module_loadings.assign(size=size).sort_values("size", ascending=False)
        genes = ranked.drop_duplicates(["module_id", "gene_id"]).groupby("module_id")["gene_id"]
        table = pd.DataFrame(
            {
                "genes": self.modules.groupby("module_id").size(),
                "strongest": genes.agg(lambda names: ", ".join(names[:_GENES].astype(str))),
                "warning": self.checks.set_index("module_id")["warning"],
            }
        )
        table = table.reindex(self.module_ids[:_ROWS]).rename_axis(None)
        more = len(self.module_ids) - len(table)
        return (
            f"<div>{escape(repr(self))}{table.to_html(border=0)}"
            f"{f'and {more:,} more modules' if more > 0 else ''}</div>"
        )


def load_modules(path: str | os.PathLike[str]) -> NetworkModules:
    """Read a result that :meth:`NetworkModules.save` wrote.

    Parameters
    ----------
    path : path
        The folder.

    Returns
    -------
    NetworkModules

    Raises
    ------
    Edge2TorchError
        For a folder that is missing, damaged, or written by a newer version.

    Examples
    --------
    >>> from edge2torch.netmodules import fit_modules
    >>> from edge2torch.simulate import planted_modules
    >>> planted = planted_modules(n_modules=2, module_size=12, n_background=20, seed=0)
    >>> found = fit_modules(
    ...     planted.counts, planted.transcripts, planted.samples, backend="latent", quiet=True)
    >>> load_modules(found.save("modules")).modules.equals(found.modules)
    True
    """
    require("pyarrow", extra="modules")
    folder = path_of(path)
    restore_folder(folder)
    index = read_manifest(
        folder / _MANIFEST,
        _FORMAT,
        _VERSION,
        writer="NetworkModules.save",
        needed=(*_JSON, _CHECKPOINT),
        oldest=_VERSION,
    )
    parts: dict[str, Any] = {name: _read_table(folder, name) for name in _TABLES}
    parts |= {name: index[name] for name in _JSON}
    checkpoint = None
    if index[_CHECKPOINT]:
        encoder, encoder_artifact = load_compiled(folder / _CHECKPOINT / "encoder")
        decoder, decoder_artifact = load_compiled(folder / _CHECKPOINT / "decoder")
        checkpoint = Checkpoint(encoder.eval(), decoder.eval(), encoder_artifact, decoder_artifact)
    return NetworkModules(**parts, checkpoint=checkpoint)


def _read_table(folder: Path, name: str) -> pd.DataFrame:
    table = read_parquet(folder / f"{name}.parquet")
    if missing := [column for column in _TABLES[name] if column not in table]:
        raise Edge2TorchError(f"{folder / name}.parquet lacks column(s) {listing(missing)}.")
    return table.set_index(_INDEXED[name]) if name in _INDEXED else table
