"""``edge2torch modules`` from files to a folder, and what it refuses."""

import sys

import pandas as pd
import pytest

from edge2torch.cli import main
from edge2torch.netmodules import _stability, load_modules
from edge2torch.simulate import planted_modules


def run(*arguments) -> int:
    with pytest.raises(SystemExit) as end:
        main(["modules", *map(str, arguments)])
    return int(end.value.code or 0)


@pytest.fixture
def files(tmp_path):
    planted = planted_modules(n_modules=2, module_size=12, n_background=20, seed=0)
    table = planted.counts.assign(gene_id=planted.transcripts["gene_id"].to_numpy())
    table.rename_axis("transcript_id").to_csv(tmp_path / "counts.tsv", sep="\t")
    planted.samples.to_csv(tmp_path / "samples.csv", index=False)
    return tmp_path


def test_fit_and_compare(files, capsys):
    common = ["--data", files / "counts.tsv", "--samples", files / "samples.csv"]
    for name, backend in (("a", "latent"), ("b", "vae")):
        code = run("fit", *common, "--out", files / name, "--backend", backend,
                   "--covariates", "degradation", "--", "vae.max_epochs=40", "min_module_size=4")  # fmt: skip
        assert code == 0, capsys.readouterr().err
    found = load_modules(files / "b")
    assert len(found.module_ids) == 2
    assert found.config["min_module_size"] == 4
    assert found.config["covariates"] == ["degradation"]
    assert "M000" in capsys.readouterr().out
    assert run("compare", files / "a", files / "b") == 0
    assert "jaccard" in capsys.readouterr().out


def test_wrong_settings_and_data_are_one_line(files, capsys):
    common = ["fit", "--data", files / "counts.tsv", "--out", files / "x"]
    assert run(*common, "--", "vae.hiden_dim=3") == 1
    assert "Nearest to 'vae.hiden_dim': 'vae.hidden_dim'" in capsys.readouterr().err
    assert run(*common, "--samples", files / "no.csv") == 1
    assert "no such file" in capsys.readouterr().err
    assert run("benchmark", "--suite", "small") == 1
    assert "'core', 'multiplex', 'scale'" in capsys.readouterr().err
    assert run("benchmark", "--backends", "vea", "--out", files / "b") == 1
    assert "no such backend 'vea'" in capsys.readouterr().err
    assert not (files / "b").exists()


def test_settings_come_from_a_name_a_file_and_the_line(files, capsys):
    assert run("settings", "--config", "quick", "--", "core=2") == 0
    printed = capsys.readouterr().out
    assert "max_epochs: 60" in printed
    (files / "mine.yaml").write_text(printed)
    assert run("fit", "--data", files / "counts.tsv", "--out", files / "c", "--config",
               files / "mine.yaml", "--backend", "latent", "-q", "--", "min_module_size=4") == 0  # fmt: skip
    found = load_modules(files / "c").config
    assert (found["vae"]["max_epochs"], found["core"], found["min_module_size"]) == (60, 2, 4)
    (files / "bad.yaml").write_text("vae:\n  epoch: 3\nmergee: 1\n")
    for config, told in (
        ("quik", "neither a file nor one of 'plain', 'quick', 'switching'"),
        (
            files / "bad.yaml",
            "'vae.epoch' is not a setting. Nearest to 'vae.epoch': 'vae.max_epochs'",
        ),
        (files / "bad.yaml", "'mergee' is not a setting"),
    ):
        assert run("settings", "--config", config) == 1
        assert told in capsys.readouterr().err


def test_benchmark_writes_its_table(tmp_path):
    assert run("benchmark", "--backends", "latent", "--out", tmp_path / "b", "-q") == 0
    table = pd.read_csv(tmp_path / "b" / "benchmark.csv")
    assert (table["peak_mb"] > 50).all()  # MB: torch alone takes more
    assert table.loc[table["fixture"] == "noise", "modules"].max() == 0
    assert table.loc[table["fixture"] == "plain", "recovery"].min() > 0.9


def test_where_the_system_keeps_no_peak_of_memory_the_column_is_left_out(
    files, tmp_path, monkeypatch
):
    monkeypatch.setitem(sys.modules, "resource", None)  # as on Windows
    monkeypatch.setitem(_stability._SUITES, "core", {"one": {"n_modules": 2}})
    assert run("benchmark", "--backends", "latent", "--out", tmp_path / "b", "-q") == 0
    table = pd.read_csv(tmp_path / "b" / "benchmark.csv")
    assert list(table)[-1] == "cpu_seconds"


def test_confounds_are_benchmarked_named_and_left_out(tmp_path):
    assert run("benchmark", "--suite", "multiplex", "--backends", "latent", "--out", tmp_path, "-q",
               "--", "decoys=200") == 0  # fmt: skip
    table = pd.read_csv(tmp_path / "benchmark.csv").set_index("fixture")
    left_out, named = table.loc["confounded"], table.loc["confounded, covariates named"]
    assert left_out["warnings"] > named["warnings"] == 0
    assert left_out["background"] > named["background"]


def test_a_batch_effect_is_a_note_of_ours(tmp_path, capsys):
    planted = planted_modules(n_modules=2, n_background=80, confound=0.6, seed=0)
    planted.counts.rename_axis("id").to_csv(tmp_path / "counts.csv")
    common = ["fit", "--data", tmp_path / "counts.csv", "--backend", "latent"]
    assert run(*common, "--out", tmp_path / "a") == 0
    told = capsys.readouterr()
    assert "[edge2torch] Note: " in told.out
    assert "may be a batch effect" in told.out
    assert told.err == ""
    assert run(*common, "--out", tmp_path / "b", "-q") == 0
    assert tuple(capsys.readouterr()) == ("", "")


def test_samples_by_genes_are_refused_and_turned_on_demand(files, capsys):
    table = pd.read_csv(files / "counts.tsv", sep="\t", index_col=0).drop(columns="gene_id")
    table.T.rename_axis("donor").to_csv(files / "turned.csv")
    common = ["fit", "--data", files / "turned.csv", "--samples", files / "samples.csv",
              "--backend", "latent", "-q", "--out", files / "t"]  # fmt: skip
    assert run(*common) == 1
    said = capsys.readouterr().err
    assert "the table looks transposed: 60 of 60 rows" in said
    assert "--transpose" in said
    assert not (files / "t").exists()
    assert run(*common, "--transpose") == 0
    assert load_modules(files / "t").samples.index.tolist() == sorted(table.columns)
    assert len(load_modules(files / "t").gene_fate) == len(table)
    assert run("fit", "--help") == 0
    assert "× samples" in capsys.readouterr().out


def test_no_module_is_told_with_advice(tmp_path, capsys):
    noise = planted_modules(n_modules=0, n_background=60, n_samples=12, seed=3)
    noise.counts.rename_axis("id").to_csv(tmp_path / "counts.csv")
    assert run("fit", "--data", tmp_path / "counts.csv", "--out", tmp_path / "m", "--backend",
               "graph") == 0  # fmt: skip
    assert "No module was found. What may help: " in capsys.readouterr().out
    with pytest.raises(SystemExit) as end:
        main(["explain-module", "--artifact-dir", str(tmp_path / "m"), "--output-dir",
              str(tmp_path / "e")])  # fmt: skip
    assert end.value.code == 1
    assert "found no modules, so there are none to explain" in capsys.readouterr().err
    assert not (tmp_path / "e").exists()
