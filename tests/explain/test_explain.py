"""From a folder of modules to tables, files and a manifest."""

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from edge2torch import Edge2TorchError
from edge2torch.explain import (
    ExplainConfig,
    explain_module,
    gene_driver_table,
    record_files,
    usage_features,
)


@pytest.fixture(name="folder", scope="module")
def _folder(fit, tmp_path_factory):
    return fit.save(tmp_path_factory.mktemp("fit") / "modules")


def test_files_and_manifest(folder, data, tmp_path):
    pairs = pd.DataFrame(
        {"gene_id": ["G00"], "transcript_id_a": ["G00.t0"], "transcript_id_b": ["G00.t1"]}
    )
    config = ExplainConfig(vae_attribution=True, integrated_gradients=True)
    found = explain_module(
        folder,
        *usage_features(data),
        config=config,
        output_dir=tmp_path / "out",
        structure_annotation=pairs,
    )
    manifest = json.loads((tmp_path / "out" / "module_explanation_manifest.json").read_text())
    assert manifest["module_ids"] == list(found)
    assert manifest["available"] == {
        "vae_drivers": True,
        "ig_attributions": True,
        "structure": True,
    }
    assert manifest["config"]["ig_n_steps"] == 50
    written = {p.relative_to(tmp_path / "out").as_posix() for p in tmp_path.rglob("*.parquet")}
    assert written == set(manifest["files"])
    assert len(written) == 6 * len(found)
    again = pd.read_parquet(tmp_path / "out" / "M000" / "vae_drivers.parquet")
    pd.testing.assert_frame_equal(again, found["M000"].vae_drivers)
    (tmp_path / "out" / "M000" / "figure.png").touch()
    record_files(tmp_path / "out", [tmp_path / "out" / "M000" / "figure.png"])
    manifest = json.loads((tmp_path / "out" / "module_explanation_manifest.json").read_text())
    assert "M000/figure.png" in manifest["files"]


def test_without_a_feature_table_the_fits_own_scores_are_used(fit, tmp_path):
    found = explain_module(
        fit, module_ids=["M001"], config=ExplainConfig(table_format="csv"), output_dir=tmp_path
    )
    assert list(found) == ["M001"]
    assert set(found["M001"].gene_driver_table["gene_id"]) == set(fit.genes("M001"))
    assert found["M001"].vae_drivers is None
    assert "gene_driver_table.csv" in {path.name for path in tmp_path.rglob("*")}


def test_new_samples_are_scored_and_tested_without_the_gene(fit, data):
    with pytest.raises(Edge2TorchError, match=r"new_data has 60 sample\(s\) of the fit"):
        explain_module(fit, new_data=data)
    # others, whose names the fit happens to know
    both = {name: np.roll(getattr(data, name), 7, axis=1) for name in ("counts", "gene_counts")}
    data = replace(data, **both)
    new = explain_module(fit, module_ids=["M000"], new_data=data)["M000"].gene_driver_table
    scores = fit.score(data)
    expected = gene_driver_table(
        scores,
        fit.features,
        fit.eigengenes_of(data).loc["M000"],
        fit.genes("M000"),
        without_gene=fit.eigengenes_without_genes("M000", scores),
    )
    pd.testing.assert_frame_equal(new, expected)
    assert set(new["tested_against"]) == {"eigengene without the gene"}
    with pytest.raises(Edge2TorchError, match="new_data= has its own eigengenes"):
        explain_module(fit, new_data=data, eigengenes=fit.eigengenes)
    with pytest.raises(Edge2TorchError, match="its own samples"):
        explain_module(fit, new_data=data, config=ExplainConfig(integrated_gradients=True))


def test_transcripts_that_stand_for_genes_are_told_apart_from_the_modules(fit, data):
    table, meta = usage_features(data)
    apart = meta.assign(gene_id=meta["feature_id"])
    with pytest.raises(Edge2TorchError, match=r"no gene of module\(s\) 'M000', .*transcripts="):
        explain_module(fit, table, apart)


def test_other_genes_are_a_control(fit):
    found = explain_module(fit, config=ExplainConfig(all_genes=True))["M000"].gene_driver_table
    inside = found["gene_id"].isin(fit.genes("M000"))
    assert found["r"].abs()[inside].min() > found["r"].abs()[~inside].median()


def test_bad_input(fit, folder, data):
    table, meta = usage_features(data)
    with pytest.raises(Edge2TorchError, match=r"no such module: 'M01'.*Nearest to 'M01': 'M001'"):
        explain_module(folder, table, meta, ["M01"])
    with pytest.raises(Edge2TorchError, match=r"0 sample\(s\) in common"):
        explain_module(folder, table.add_prefix("x", axis=0), meta)
    with pytest.raises(Edge2TorchError, match=r"9 sample\(s\) in common"):
        explain_module(folder, table[:9], meta)
    with pytest.raises(Edge2TorchError, match="without a gene"):
        explain_module(folder, table, meta.assign(gene_id=None))
    with pytest.raises(Edge2TorchError, match="feature_table is given without feature_meta"):
        explain_module(folder, table)
    with pytest.raises(Edge2TorchError, match=r"not a folder that NetworkModules\.save wrote"):
        explain_module("no_such_folder", table, meta)
    with pytest.raises(Edge2TorchError, match="structure_annotation lacks"):
        explain_module(fit, structure_annotation=meta)
    with pytest.raises(Edge2TorchError, match="eigengenes has no row"):
        explain_module(fit, eigengenes=fit.eigengenes[1:])
    with pytest.raises(Edge2TorchError, match=r"percentile=60 .*ig_n_steps=0"):
        ExplainConfig(percentile=60, ig_n_steps=0)
