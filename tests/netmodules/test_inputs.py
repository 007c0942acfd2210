"""Ids decide, and every problem of an input is told, all at once."""

import gzip
from pathlib import Path

import anndata
import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from edge2torch.errors import Edge2TorchError
from edge2torch.netmodules import fit_modules, read_transcript_data, transcript_data
from edge2torch.netmodules._counts import check_header
from tests.netmodules.conftest import planted


def parts():
    data = planted()
    return data.counts.copy(), data.transcripts.copy(), data.samples.copy()


def test_all_problems_are_told_together():
    counts, transcripts, samples = parts()
    counts.iloc[0, 0], counts.iloc[1, 1], counts.iloc[2, 2] = np.nan, np.inf, -1
    counts["S003"] = 0
    samples["same"], samples["none"], samples["id"] = 1.0, np.nan, samples["sample_id"]
    samples = samples.rename(columns={}).iloc[1:]
    transcripts = pd.concat([transcripts.iloc[2:], transcripts.iloc[[5]]])
    with pytest.raises(Edge2TorchError) as caught:
        transcript_data(
            counts, transcripts, samples, covariates=["same", "none", "id", "absent", "absent"]
        )
    text = str(caught.value)
    for part in (
        "missing value", "infinite value", "negative value", "zero throughout in sample(s) 'S003'",
        "same transcript_id more than once", "in counts but not in transcripts",
        "in counts but not in samples: 'S000'", "'same' is constant", "'none' is missing",
        "'id' has 59 levels", "'absent' are not columns", "given more than once: 'absent'",
    ):  # fmt: skip
        assert part in text, part
    assert f"The data have {text.count(chr(10))} problems" in text


@pytest.mark.parametrize("name", ["transcripts", "samples", "gene_counts"])
def test_what_goes_with_counts_is_a_table(name):
    counts = pd.DataFrame(np.ones((3, 12)))
    with pytest.raises(Edge2TorchError, match=f"^{name} must be a DataFrame .*files.*, found str"):
        transcript_data(counts, **{name: "a.csv"})
    with pytest.raises(Edge2TorchError, match=f"^{name} must be a DataFrame"):
        fit_modules(counts, **{name: 5})


def test_the_rest_of_the_problems_are_told_together():
    counts, transcripts, samples = parts()
    genes = counts.groupby(transcripts.set_index("transcript_id")["gene_id"]).sum()
    genes.iloc[0, 0], genes.iloc[1, 1], genes.iloc[2, 2] = np.nan, np.inf, -1
    few = counts.columns[[0, 1, 2, 2]]
    samples = pd.concat([samples.iloc[:6], samples.iloc[:1]])
    with pytest.raises(Edge2TorchError) as caught:
        transcript_data(
            pd.concat([counts, counts.iloc[:1]])[few].assign(text="x"), transcripts.iloc[:-1],
            samples, gene_counts=genes,
        )  # fmt: skip
    text = str(caught.value)
    for part in (
        "counts has column(s) that are not numbers: 'text'", "counts has the same row id",
        "counts has the same sample id more than once: 'S002'", "same sample_id more than once",
        "sample(s) in samples but not in counts: 'S003'", "in counts but not in samples: 'text'",
        "transcript(s) in counts but not in transcripts", "gene_counts has 1 missing value",
        "gene_counts has 1 infinite", "gene_counts has 1 negative", "sample(s) in gene_counts but",
        "there are 5 samples, and fewer than 10 are refused: min_samples=5 accepts",
    ):  # fmt: skip
        assert part in text, part


def test_a_gtf_says_which_gene_a_transcript_is_of(tmp_path):
    counts, transcripts, samples = parts()
    counts.rename_axis("transcript_id").to_csv(tmp_path / "counts.csv")
    more = [*transcripts.itertuples(index=False), ("other", "elsewhere")]
    lines = [
        f'1\tx\texon\t1\t{end}\t.\t+\t.\tgene_id "{gene}"; transcript_id "{name}"; exon_number 1;'
        for name, gene in more
        for end in (5, 9)
    ]
    with gzip.open(tmp_path / "genes.gtf.gz", "wt") as file:
        file.write("\n".join(["#!genome", *lines]))
    data = read_transcript_data(tmp_path / "counts.csv", transcripts=tmp_path / "genes.gtf.gz")
    expected = transcript_data(counts, transcripts, samples)
    assert data.transcript_ids.tolist() == expected.transcript_ids.tolist()
    assert data.transcript_genes.tolist() == expected.transcript_genes.tolist()
    (tmp_path / "bare.gtf").write_text('1\tx\tgene\t1\t5\t.\t+\t.\tgene_id "g";\n')
    with pytest.raises(Edge2TorchError, match="has no transcript_id"):
        read_transcript_data(tmp_path / "counts.csv", transcripts=tmp_path / "bare.gtf")
    with pytest.raises(Edge2TorchError, match="no such file"):
        read_transcript_data(tmp_path / "counts.csv", transcripts=tmp_path / "no.gtf")


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (
            lambda c, t, s: (c.iloc[:, :9], t, s.iloc[:9]),
            "9 samples, and fewer than 10 are refused: min_samples=9",
        ),
        (lambda c, t, s: (c.iloc[:0], t.iloc[:0], s), "counts is empty: it has no rows"),
        (lambda c, t, s: (c.assign(S000="x"), t, s), "not numbers: 'S000'"),
        (lambda c, t, s: (c, t.drop(columns="gene_id"), s), "lacks column(s) 'gene_id'"),
        (lambda c, t, s: (c, t.assign(gene_id=[None, *t["gene_id"][1:]]), s), "no gene_id for"),
        (lambda c, t, s: (c, t, s.drop(columns="sample_id")), "neither its index nor its first"),
        (lambda c, t, s: (pd.concat([c, c.iloc[:1]]), t, s), "same row id more than once"),
        (lambda c, t, s: (c.to_numpy(), t, s), "must be a DataFrame"),
    ],
)
def test_a_single_problem_is_told(change, told):
    with pytest.raises(Edge2TorchError, match=told.replace("(", r"\(").replace(")", r"\)")):
        transcript_data(*change(*parts()))


@pytest.mark.parametrize("column", ["sample", "Run"])
def test_sample_names_are_found_in_the_index_and_in_the_first_column(column):
    counts, transcripts, samples = parts()
    expected = transcript_data(counts, transcripts, samples)
    named = samples.sample(frac=1, random_state=0).rename(columns={"sample_id": column})
    named = named[[column, *named.columns.drop(column)]]
    for table in (named, named.set_index(column)):
        found = transcript_data(counts, transcripts, table)
        pd.testing.assert_frame_equal(found.samples, expected.samples)


def test_numbers_as_sample_names_are_those_of_the_first_column_not_of_the_rows():
    counts, transcripts, samples = parts()
    numbers = [str(k) for k in range(1, 61)]
    counts.columns = numbers
    expected = transcript_data(counts, transcripts, samples.assign(sample_id=numbers))
    table = samples.assign(sample_id=range(1, 61)).rename(columns={"sample_id": "sample"})
    table = table[["sample", *table.columns.drop("sample")]]
    pd.testing.assert_frame_equal(
        transcript_data(counts, transcripts, table).samples, expected.samples
    )


def test_a_saturated_design_is_refused():
    counts, transcripts, samples = parts()
    for k in range(58):
        samples[f"c{k}"] = np.random.default_rng(k).normal(size=60)
    with pytest.raises(Edge2TorchError, match="leaves nothing to find"):
        transcript_data(counts, transcripts, samples, covariates=[f"c{k}" for k in range(58)])


def test_gene_counts_are_matched_by_id():
    counts, transcripts, samples = parts()
    genes = counts.groupby(transcripts.set_index("transcript_id")["gene_id"]).sum()
    data = transcript_data(counts, transcripts, samples, gene_counts=genes.iloc[::-1, ::-1])
    summed = transcript_data(counts, transcripts, samples)
    np.testing.assert_array_equal(data.gene_counts, summed.gene_counts)
    with pytest.raises(Edge2TorchError, match=r"gene\(s\) in transcripts but not in gene_counts"):
        transcript_data(counts, transcripts, samples, gene_counts=genes.iloc[1:])


def test_anndata_bundle_and_table_say_the_same(tmp_path):
    counts, transcripts, samples = parts()
    expected = transcript_data(counts, transcripts, samples)
    adata = anndata.AnnData(
        sparse.csr_matrix(counts.T.to_numpy()),
        obs=samples.set_index("sample_id"),
        var=transcripts.set_index("transcript_id"),
    )
    adata.write_h5ad(tmp_path / "x.h5ad")
    transcripts.to_parquet(tmp_path / "transcripts.parquet")
    samples.to_parquet(tmp_path / "samples.parquet")
    np.savez(tmp_path / "transcript_counts.npz", data=counts.to_numpy())
    table = counts.assign(gene_id=transcripts["gene_id"].to_numpy()).rename_axis("transcript_id")
    table.to_csv(tmp_path / "x.tsv.gz", sep="\t")
    found = [
        read_transcript_data(tmp_path / "x.h5ad"),
        read_transcript_data(tmp_path),
        read_transcript_data(tmp_path / "x.tsv.gz", samples=tmp_path / "samples.parquet"),
    ]
    for data in found:
        np.testing.assert_array_equal(data.counts, expected.counts)
        assert data.transcript_ids.tolist() == expected.transcript_ids.tolist()
        assert data.transcript_genes.tolist() == expected.transcript_genes.tolist()
        assert data.samples.index.tolist() == expected.samples.index.tolist()


@pytest.mark.parametrize("name", ["absent", "x.pdf", "empty"])
def test_files_that_cannot_be_read(name, tmp_path):
    (tmp_path / "x.pdf").write_text("?")
    (tmp_path / "empty").mkdir()
    with pytest.raises(Edge2TorchError, match=r"no such file|unknown file type|lacks"):
        read_transcript_data(tmp_path / name)


def test_gene_counts_alone_have_abundance_only():
    data = planted()
    genes = data.counts.groupby(data.transcripts.set_index("transcript_id")["gene_id"]).sum()
    found = fit_modules(genes, samples=data.samples, backend="latent", quiet=True)
    assert set(found.features["feature_type"]) == {"abundance"}
    assert found.loadings.empty


def test_gene_counts_beside_a_path_are_refused(tmp_path):
    counts, _, _ = parts()
    with pytest.raises(Edge2TorchError, match="gene_counts: counts is a path"):
        fit_modules(tmp_path / "counts.csv", gene_counts=counts)


@pytest.mark.parametrize(
    ("names", "are_counts"),
    [(["8", "9", "10"], False), (["8", "10", "9"], True), (["7", "9" * 5000], True)],
)
def test_names_that_count_up_are_no_row_of_counts(names, are_counts):
    table = pd.DataFrame(1.0, pd.Index(["g1", "g2"], name="g0"), names)

    def check():
        check_header(Path("counts.csv"), table, pd.Index([]))

    if are_counts:
        with pytest.raises(Edge2TorchError, match="holds numbers where names of samples belong"):
            check()
    else:
        check()
