"""What can go wrong on the way to R and back, with programs that play R; and R itself."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from edge2torch.errors import Edge2TorchError
from edge2torch.netmodules import ModulesConfig, fit_modules
from edge2torch.netmodules._config import WgcnaConfig
from edge2torch.netmodules._features import make_features
from edge2torch.netmodules._input import transcript_data
from edge2torch.netmodules._similarity import Overlaps, Padded, Thresholds, add_decoys
from edge2torch.netmodules._wgcna import find_wgcna
from tests.netmodules.conftest import fitted, planted

pytestmark = pytest.mark.skipif(os.name == "nt", reason="the programs are shell scripts")


def plays_r(folder: Path, when_run: str, when_asked: str = "exit 0") -> str:
    """A program that answers the question for packages, and does something else when run."""
    program = folder / "Rscript"
    program.write_text(f'#!/bin/sh\nif [ "$1" = "-e" ]; then {when_asked}; fi\n{when_run}\n')
    program.chmod(0o755)
    return str(program)


def fit(**settings: object):
    data = planted()
    config = {f"wgcna.{key}": value for key, value in settings.items()}
    return fit_modules(
        data.counts, data.transcripts, data.samples, backend="wgcna", config=config, quiet=True
    )


def test_without_r_the_error_names_the_packages_of_debian_and_cran(tmp_path):
    for program in ("no-such-program", plays_r(tmp_path, "", when_asked="exit 3")):
        with pytest.raises(Edge2TorchError) as told:
            fit(rscript=program)
        for part in (
            "backend='wgcna' needs R", program, "apt install r-cran-wgcna r-cran-jsonlite",
            "install.packages(c('BiocManager', 'WGCNA', 'jsonlite'))",
        ):  # fmt: skip
            assert part in str(told.value)


def test_r_that_takes_too_long_is_ended(tmp_path):
    with pytest.raises(Edge2TorchError, match=r"not finish within 0\.2 seconds.*wgcna\.timeout"):
        fit(rscript=plays_r(tmp_path, "exec sleep 60"), timeout=0.2)


def test_what_r_says_when_it_fails_is_told(tmp_path):
    with pytest.raises(Edge2TorchError, match="status 7: it is raining"):
        fit(rscript=plays_r(tmp_path, "echo it is raining >&2; exit 7"))


def test_labels_alone_make_modules_of_memberships(tmp_path):
    """Above ``full_up_to`` R sends no overlaps; here a program that knows the truth plays it."""
    data = planted()
    features = make_features(transcript_data(data.counts, data.transcripts), ModulesConfig())
    module = data.modules.drop_duplicates("gene_id").set_index("gene_id")["module_id"]
    label = features.table["gene_id"].map(module).map({"T0": 1, "T1": 2, "T2": 3}).fillna(0)
    answer = f'{{"labels": {label.astype(int).tolist()}, "power": [6], "scan": null}}'
    found = fit(rscript=plays_r(tmp_path, f"echo '{answer}' > $4"), full_up_to=1)
    assert found.calibration["power"] == 6
    own = found.modules.set_index("gene_id")["module_id"]
    assert own.groupby(module.reindex(own.index)).nunique().tolist() == [1, 1, 1]
    assert found.edges["weight"].between(found.calibration["alpha_abundance"], 1).all()


def test_overlaps_keep_the_rules_of_the_channels():
    data = planted()
    features = make_features(transcript_data(data.counts, data.transcripts), ModulesConfig())
    p, kind, gene = len(features.gene), features.is_switch, features.gene
    rng = np.random.default_rng(0)
    weight = rng.random((p, p), dtype=np.float32)
    weight = np.maximum(weight, weight.T)
    first, second = np.nonzero(~np.eye(p, dtype=bool))
    found = Overlaps(
        np.zeros((p, 0), np.float32), {}, first=first, second=second, weight=weight[first, second]
    )
    limits = Thresholds(switch=0.9, abundance=0.5, cross=0.1)
    pairs = found.pairs(features, limits, ModulesConfig(max_neighbors=p))
    allowed = (gene[:, None] != gene) & (kind[:, None] == kind)  # every gene has a switch here
    allowed &= weight >= np.where(kind, 0.9, 0.5)
    expected = np.argwhere(np.triu(allowed, 1))
    assert np.column_stack([pairs.first, pairs.second]).tolist() == expected.tolist()
    np.testing.assert_array_equal(pairs.weight, weight[pairs.first, pairs.second])
    few = found.pairs(features, limits, ModulesConfig(max_neighbors=1))
    strongest = np.where(allowed, weight, 0).argmax(axis=1)
    ends = {frozenset((k, j)) for k, j in enumerate(strongest.tolist()) if allowed[k].any()}
    assert {frozenset(pair) for pair in zip(few.first, few.second, strict=True)} == ends


def test_a_threshold_is_what_a_decoy_hardly_reaches():
    padded = Padded(
        values=np.zeros((1, 5), np.float32),
        is_switch=np.array([True, True, False, True, False]),
        origin=np.array([0, 2]),
    )
    found = Overlaps(
        np.zeros((5, 0), np.float32),
        {},
        first=np.array([0, 3, 3, 3, 4, 4]),
        second=np.array([1, 0, 1, 2, 1, 2]),
        weight=np.array([0.9, 0.8, 0.3, 0.2, 0.1, 0.7], np.float32),
    )
    limits = found.thresholds(padded, rate=1e-9)
    # a decoy's overlap with its own origin says nothing
    assert limits.switch == pytest.approx(0.3)
    assert limits.abundance == 0
    assert limits.cross == pytest.approx(0.2)


def test_edges_are_the_topological_overlaps_of_r():
    found = fitted("wgcna")  # skips where R is absent, and says why
    features = make_features(
        transcript_data(planted().counts, planted().transcripts), ModulesConfig()
    )
    padded = add_decoys(features.values, features.is_switch, ModulesConfig().decoys, 0)
    r = np.corrcoef(padded.values.T.astype(float))
    a = np.sign(r) * np.abs(r) ** found.calibration["power"]
    np.fill_diagonal(a, 0)
    k = np.abs(a).sum(axis=0)
    overlap = np.abs(a @ a + a) / (np.minimum(k[:, None], k) + 1 - np.abs(a))
    index = {name: j for j, name in enumerate(features.table["feature_id"])}
    expected = [
        overlap[index[i], index[j]]
        for i, j in zip(found.edges["source_feature"], found.edges["target_feature"], strict=True)
    ]
    np.testing.assert_allclose(found.edges["weight"], expected, atol=1e-6)
    assert find_wgcna(WgcnaConfig()).endswith("Rscript")
