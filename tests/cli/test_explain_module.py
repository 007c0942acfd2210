"""``explain-module`` and ``annotate-structure``, from a saved fit to files."""

import json

import pandas as pd
import pytest

from edge2torch.cli import main
from edge2torch.explain import explain_module, usage_features
from edge2torch.netmodules import fit_modules, read_transcript_data, transcript_data
from edge2torch.simulate import planted_modules

SMALL = {"vae.latent_dim": 2, "vae.hidden_dim": 16, "vae.max_epochs": 40, "decoys": 50}


@pytest.fixture(name="folder", scope="module")
def _folder(tmp_path_factory):
    planted = planted_modules(n_modules=2, module_size=15, n_background=20, seed=0)
    data = transcript_data(planted.counts, planted.transcripts, planted.samples)
    folder = tmp_path_factory.mktemp("explain")
    planted.counts.to_csv(folder / "counts.csv")
    planted.transcripts.to_csv(folder / "transcripts.csv", index=False)
    fit_modules(data, backend="vae", config=SMALL, quiet=True).save(folder / "modules")
    table, meta = usage_features(data)
    table.to_csv(folder / "features.csv")
    meta.to_csv(folder / "meta.csv", index=False)
    lines = []
    for place, (name, gene) in enumerate(planted.transcripts.itertuples(index=False)):
        about = f'gene_id "{gene}"; transcript_id "{name}";'
        lines += [
            f"1\tx\texon\t{start}\t{start + 50}\t.\t+\t.\t{about}"
            for start in (100, 300 + place % 2)
        ]
    (folder / "genes.gtf").write_text("\n".join(lines) + "\n")
    return folder


def call(capsys, *arguments):
    code = 0
    try:
        main([str(part) for part in arguments])
    except SystemExit as end:
        code = end.code
    said = capsys.readouterr()
    return code, said.out, said.err


def test_structure_then_explanation(folder, tmp_path, capsys):
    code, out, _ = call(
        capsys, "annotate-structure", "--gtf", folder / "genes.gtf", "--artifact-dir",
        folder / "modules", "--out", tmp_path / "pairs.csv", "--cache-dir", tmp_path / "cache",
    )  # fmt: skip
    assert code == 0
    assert "of them annotated" in out
    assert set(pd.read_csv(tmp_path / "pairs.csv")["status"]) == {"ok"}
    assert "n_pairs" in pd.read_csv(tmp_path / "pairs_by_transcript.csv")
    code, out, _ = call(
        capsys, "explain-module", "--artifact-dir", folder / "modules", "--output-dir",
        tmp_path / "out", "--feature-table", folder / "features.csv", "--feature-meta",
        folder / "meta.csv", "--module-id", "M000", "--structure-annotation",
        tmp_path / "pairs.csv", "--vae-attribution", "--vae-fdr-threshold", "0.1",
        "--vae-percentile-threshold", "60", "--integrated-gradients", "--ig-n-steps", "30",
        "--ig-baseline", "mean", "--table-format", "csv",
    )  # fmt: skip
    assert code == 0
    assert "M000:" in out
    manifest = json.loads((tmp_path / "out" / "module_explanation_manifest.json").read_text())
    assert manifest["config"]["ig_baseline"] == "mean"
    assert "take a module as given" in manifest["caveat"]
    assert manifest["caveat"] in out
    assert manifest["config"]["vae_fdr_threshold"] == 0.1
    assert set(manifest["files"]) == {
        path.relative_to(tmp_path / "out").as_posix()
        for path in (tmp_path / "out" / "M000").iterdir()
    }
    assert {"M000/summary.png", "M000/ig_attributions.csv", "M000/structure.csv"} <= set(
        manifest["files"]
    )


def test_counts_give_the_same_tables_as_their_features(folder, tmp_path, capsys):
    common = ("explain-module", "--artifact-dir", folder / "modules", "--figures", "none")
    counts = ("--data", folder / "counts.csv", "--transcripts", folder / "transcripts.csv")
    features = (
        "--feature-table", folder / "features.csv", "--feature-meta", folder / "meta.csv"
    )  # fmt: skip
    for name, given in (("counts", counts), ("features", features)):
        assert call(capsys, *common, "--output-dir", tmp_path / name, *given)[0] == 0
    for table in ("gene_driver_table", "transcript_polarity_table", "high_vs_low_table"):
        one, other = (
            pd.read_parquet(tmp_path / name / "M000" / f"{table}.parquet")
            for name in ("counts", "features")
        )
        pd.testing.assert_frame_equal(one, other, rtol=1e-9)


def test_modules_are_asked_whether_they_hold_in_new_samples(folder, tmp_path, capsys):
    counts = pd.read_csv(folder / "counts.csv", index_col=0)
    rolled = [*counts.columns[7:], *counts.columns[:7]]
    counts[rolled].set_axis(counts.columns, axis=1).to_csv(
        tmp_path / "new.csv"
    )  # other samples, whose names the fit happens to know
    common = ("explain-module", "--artifact-dir", folder / "modules", "--module-id", "M000",
              "--transcripts", folder / "transcripts.csv", "--output-dir")  # fmt: skip
    code, out, err = call(capsys, *common, tmp_path / "out", "--new-data", tmp_path / "new.csv")
    assert code == 0, err
    assert "Samples that the fit has not seen" in out
    found = pd.read_parquet(tmp_path / "out" / "M000" / "gene_driver_table.parquet")
    data = read_transcript_data(
        tmp_path / "new.csv", transcripts=folder / "transcripts.csv", min_samples=10
    )
    expected = explain_module(folder / "modules", module_ids=["M000"], new_data=data)
    pd.testing.assert_frame_equal(found, expected["M000"].gene_driver_table, check_exact=False)
    assert (tmp_path / "out" / "M000" / "summary.png").stat().st_size > 0
    code, _, err = call(capsys, *common, tmp_path / "o", "--new-data", folder / "counts.csv")
    assert code == 1
    assert f"--new-data has {counts.shape[1]} sample(s) of the fit" in err


@pytest.mark.parametrize(
    ("extra", "words"),
    [
        (("--module-id", "M01"), "error: --module-id: no such module: 'M01'. Nearest to"),
        (("--feature-table", "absent.csv"), "--feature-table: there is no file"),
        (("--integrated-gradients", "--ig-n-steps", "0"), "--ig-n-steps 0 must be at least 1"),
        (("--ig-n-steps", "9"), "--ig-n-steps says nothing without --integrated-gradients."),
        (("--data", "absent", "--feature-meta", "m.csv"), "without --feature-table"),
        (("--transcripts", "t.csv"), "give --data or --new-data too"),
        (("--samples", "s.csv"), "--samples is about --new-data; give that too."),
        (("--data", "a.csv", "--new-data", "b.csv"), "Give one of --data and --new-data"),
        (("--new-data", "b.csv", "--feature-table", "t.csv"), "without --feature-table"),
    ],
)
def test_one_line_for_each_error(folder, tmp_path, capsys, extra, words):
    code, _, said = call(
        capsys, "explain-module", "--artifact-dir", folder / "modules", "--output-dir",
        tmp_path, "--figures", "none", *extra,
    )  # fmt: skip
    assert code == 1
    assert words in said
    assert said.count("\n") == 1


@pytest.fixture(name="others", scope="module")
def _others(folder):
    """Counts of samples that the fit has not seen, as a user may have them."""
    counts = pd.read_csv(folder / "counts.csv", index_col=0)
    names = [f"new{k}" for k in range(counts.shape[1])]
    new = counts.iloc[:, ::-1].set_axis(names, axis=1)
    new.iloc[0] += range(len(names))  # otherwise they are the samples of the fit
    new.to_csv(folder / "new.csv")
    new.T.rename_axis("donor").to_csv(folder / "turned.csv")
    cohort = [*names, *counts.columns]
    pd.DataFrame({"sample_id": cohort, "age": range(len(cohort))}).to_csv(
        folder / "cohort.csv", index=False
    )
    return folder


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ("--new-data new.csv --transcripts transcripts.csv --vae-attribution --integrated-gradients",
         "--new-data goes without --vae-attribution and --integrated-gradients: these ask"),
        ("--new-data new.csv", "error: --new-data has gene(s) 'G00.t0'"),
        ("--new-data new.csv", "which gene each is of (--transcripts)."),
        ("--new-data turned.csv --transcripts transcripts.csv", "error: --new-data: the table looks transposed"),
        ("--new-data turned.csv --transcripts transcripts.csv", "columns are samples. Pass --transpose."),
        ("--data new.csv --transcripts transcripts.csv", "error: --data has 0 sample(s) in common with"),
        ("--data new.csv --transcripts transcripts.csv",
         "Counts of samples that the fit has not seen are for --new-data."),
        ("--new-data new.csv --transcripts transcripts.csv --samples cohort.csv",
         "(in --samples keep the rows of these counts alone)"),
    ],
)  # fmt: skip
def test_new_samples_are_told_in_options(others, tmp_path, capsys, monkeypatch, given, words):
    monkeypatch.chdir(others)
    code, _, said = call(
        capsys, "explain-module", "--artifact-dir", "modules", "--output-dir", tmp_path / "o",
        "--figures", "none", *given.split(),
    )  # fmt: skip
    assert code == 1
    assert words in said
    assert said.count("\n") == 1


def test_annotate_structure_refuses(folder, tmp_path, capsys):
    gtf = ("--gtf", folder / "genes.gtf")
    out = ("--out", tmp_path / "pairs.csv")
    assert "either --artifact-dir or --pairs" in call(capsys, "annotate-structure", *gtf, *out)[2]
    wrong = call(capsys, "annotate-structure", *gtf, "--out", tmp_path / "pairs.txt")[2]
    assert "must end in" in wrong


def test_samples_by_transcripts_are_turned_on_demand(folder, tmp_path, capsys):
    counts = pd.read_csv(folder / "counts.csv", index_col=0)
    counts.T.rename_axis("donor").to_csv(tmp_path / "turned.csv")
    common = ["explain-module", "--artifact-dir", folder / "modules", "--output-dir",
              tmp_path / "out", "--figures", "none"]  # fmt: skip
    given = ["--data", tmp_path / "turned.csv", "--transcripts", folder / "transcripts.csv"]
    code, _, err = call(capsys, *common, *given)
    assert code == 1
    assert "looks transposed" in err
    code, _, err = call(capsys, *common, "--transpose")
    assert code == 1
    assert "--transpose is about counts; give --data or --new-data too" in err
    code, _, _ = call(capsys, *common, *given, "--transpose")
    assert code == 0
    turned = pd.read_parquet(tmp_path / "out" / "M000" / "transcript_polarity_table.parquet")
    assert set(turned["transcript_id"]) <= set(counts.index)


def test_few_samples_are_accepted_by_the_option_that_the_error_names(folder, tmp_path, capsys):
    pd.read_csv(folder / "counts.csv", index_col=0).iloc[:, :6].to_csv(tmp_path / "six.csv")
    pd.read_csv(folder / "features.csv", index_col=0)[:6].to_csv(tmp_path / "features.csv")
    common = ("explain-module", "--artifact-dir", folder / "modules", "--figures", "none",
              "--output-dir", tmp_path / "out")  # fmt: skip
    counts = ("--data", tmp_path / "six.csv", "--transcripts", folder / "transcripts.csv")
    features = (
        "--feature-table", tmp_path / "features.csv", "--feature-meta", folder / "meta.csv"
    )  # fmt: skip
    for given in (counts, features):
        code, _, said = call(capsys, *common, *given)
        assert code == 1
        assert "--min-samples 6" in said
        assert call(capsys, *common, *given, "--min-samples", "6")[0] == 0
    code, _, said = call(capsys, *common, *counts, "--min-samples", "2")
    assert code == 1
    assert "--min-samples 2 must be at least 3" in said


def test_places_and_versions_are_told(tmp_path, capsys):
    lines = [
        f'{chromosome}\tx\texon\t1\t{end}\t.\t+\t.\tgene_id "S"; transcript_id "{name}";'
        for chromosome in ("chrX", "chrY")
        for name, end in (("NM_1.1", 100), ("NM_2.1", 200))
    ]
    (tmp_path / "genes.gtf").write_text("\n".join(lines) + "\n")
    (tmp_path / "asked.csv").write_text(
        "gene_id,transcript_id_a,transcript_id_b\nS,NM_1.1,NM_2.2\nS,NM_1.1,NM_9\n"
    )
    code, out, err = call(
        capsys, "annotate-structure", "--gtf", tmp_path / "genes.gtf", "--pairs",
        tmp_path / "asked.csv", "--out", tmp_path / "pairs.csv", "--no-cache",
    )  # fmt: skip
    assert code == 0
    assert "2 pairs, 1 of them annotated; 1 row more for further places." in out
    assert "unknown transcript: 'NM_1.1' -> 'NM_9'" in out
    assert "'NM_2.2' -> 'NM_2.1'" in out + err
    assert "typer" not in err  # a note, not a line of code
    found = pd.read_csv(tmp_path / "pairs.csv")
    assert found["place"].to_list()[:2] == ["chrX:+", "chrY:+"]
    assert found["transcript_length_delta"].to_list()[:2] == [-100, -100]
