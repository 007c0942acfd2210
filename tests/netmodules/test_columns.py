"""What quantifiers write beside the counts is no sample and no gene."""

import anndata
import numpy as np
import pandas as pd
import pytest

from edge2torch.errors import Edge2TorchError, Edge2TorchWarning
from edge2torch.netmodules import read_transcript_data, transcript_data
from tests.netmodules.conftest import planted


def read(tmp_path, name, content, **options):
    (tmp_path / name).write_text(content)
    return read_transcript_data(tmp_path / name, min_samples=2, **options)


@pytest.mark.parametrize(
    ("name", "content", "aside"),
    [
        (
            "counts.txt",
            "# Program:featureCounts v2; Command:'x' '-a' 'y'\nGeneid\tChr\tStart\tEnd\tStrand\tLength\ts1\ts2\na\tI;I\t1;9\t5;12\t+;+\t9\t5\t6\nb\tI\t20\t30\t-\t11\t7\t8\n",
            "'Chr', 'Start', 'End', 'Strand', 'Length'",
        ),
        (
            "counts.tsv",
            "gene_id\tlength\teffective_length\ts1\ts2\na\t90\t70.5\t5\t6\nb\t110\t90.5\t7\t8\n",
            "'length', 'effective_length'",
        ),
        (
            "counts.csv",
            "gene_id;gene_name;TPM;s1;s2\na;A;1,5;5;6\nb;B;2;7;8\n",
            "'gene_name', 'TPM'",
        ),
        (
            "counts.gct",
            "#1.2\n2\t2\nName\tDescription\ts1\ts2\na\tfirst\t5\t6\nb\tNA\t7\t8\n",
            "'Description'",
        ),
    ],
)
def test_columns_that_are_no_samples(tmp_path, name, content, aside):
    with pytest.warns(Edge2TorchWarning, match=f"{aside} are not samples"):
        data = read(tmp_path, name, content)
    assert data.samples.index.tolist() == ["s1", "s2"]
    assert data.gene_ids.tolist() == ["a", "b"]
    assert data.counts.tolist() == [[5, 6], [7, 8]]


@pytest.mark.parametrize("column", ["sample_id", "name", None])
def test_the_sample_table_knows_better(tmp_path, column):
    names = ["start", "end", "length"]
    samples = pd.DataFrame({column: names}) if column else pd.DataFrame({"x": [1, 2, 3]}, names)
    data = read(tmp_path, "t.csv", "id,start,end,length\na,5,6,7\nb,7,8,9\n", samples=samples)
    assert data.samples.index.tolist() == ["end", "length", "start"]
    data = read(tmp_path, "t.csv", "id,start,s2\na,5,6\nb,7,8\n")  # no place: one column alone
    assert data.samples.index.tolist() == ["s2", "start"]


@pytest.mark.parametrize(
    ("name", "header", "told"),
    [
        ("abundance.tsv", "target_id\tlength\teff_length\test_counts\ttpm", "as kallisto writes.*est_counts"),
        ("quant.tsv", "Name\tLength\tEffectiveLength\tTPM\tNumReads", "as salmon writes.*NumReads"),
        ("quant.sf", "Name\tLength\tEffectiveLength\tTPM\tNumReads", "'quant.sf'.*as salmon writes"),
        ("a.isoforms.results", "transcript_id\tgene_id\tlength\teffective_length\texpected_count\tTPM\tFPKM\tIsoPct", "RSEM"),
        ("a.tsv", "transcript_id\tgene_id\tlength\teffective_length\texpected_count\tTPM\tFPKM\tIsoPct", "as RSEM.*expected_count"),
        ("ReadsPerGene.out.tab", "N_unmapped\t5\t5\t6", "as STAR writes"),
    ],
)  # fmt: skip
def test_a_file_of_one_sample(tmp_path, name, header, told):
    row = "\t".join(["t1", "g", *"1234567"][: header.count("\t") + 1])
    with pytest.raises(Edge2TorchError, match=told) as caught:
        read(tmp_path, name, f"{header}\n{row}\n")
    assert "of one sample, " in str(caught.value)
    assert "Join the counts of all samples into one table" in str(caught.value)


@pytest.mark.parametrize(
    "aside",
    [
        ["seqnames", "width"], ["gene_len"], ["exon_length"], ["len"], ["Mean.Length"], ["Chromosome"],
        ["chr"], ["Total"], ["Sum", "mean"], ["baseMean", "stat", "pvalue", "padj"],
        ["s1.tpm", "s2_TPM"], ["abundance.s1", "length.s1", "countsFromAbundance"],
    ],
)  # fmt: skip
def test_what_stands_beside_counts(aside):
    own = ["s1.count", "s2_counts"] if "s1.tpm" in aside else ["counts.s1", "s2"]
    counts = pd.DataFrame([[5, 6, *[9] * len(aside)]] * 2, ["a", "b"], [*own, *aside])
    with pytest.warns(Edge2TorchWarning, match="are not samples, by their names") as caught:
        found = transcript_data(counts, min_samples=2)
    assert found.samples.index.tolist() == own
    assert all(repr(name) in str(caught[0].message) for name in aside[:5])
    samples = pd.DataFrame({"sample_id": counts.columns})
    assert len(transcript_data(counts, samples=samples, min_samples=2).samples) == len(samples)


@pytest.mark.parametrize("name", ["stat", "pvalue", "length.3", "s9.tpm", "counts_1", "start"])
def test_names_that_samples_may_have(name):
    counts = pd.DataFrame({"s1": [5, 6], name: [7, 8]}, ["a", "b"])
    assert transcript_data(counts, min_samples=2).samples.index.tolist() == sorted(["s1", name])


OTHERS = ["__no_feature", "__alignment_not_unique", "N_unmapped", "N_noFeature", "no_feature",
          "ambiguous", "too_low_aQual", "not_aligned", "Assigned", "Unassigned_NoFeatures"]  # fmt: skip


def test_rows_that_are_no_genes(tmp_path):
    rows = "".join(f"{name},900,{k}\n" for k, name in enumerate(OTHERS))
    with pytest.warns(Edge2TorchWarning, match="'__no_feature', .* count reads outside genes"):
        data = read(tmp_path, "t.csv", f"id,s1,s2\na,5,6\n{rows}NA,7,8\n")
    assert data.gene_ids.tolist() == ["NA", "a"]
    cells = anndata.AnnData(
        np.array([[5.0, 900, 7], [6, 1, 8]]),
        pd.DataFrame(index=["s1", "s2"]),
        pd.DataFrame(index=["a", OTHERS[0], "NA"]),
    )
    with pytest.warns(Edge2TorchWarning, match="'__no_feature' count reads outside genes"):
        same = transcript_data(cells, min_samples=2)
    assert same.gene_counts.tolist() == data.gene_counts.tolist()


@pytest.mark.parametrize(
    "line", ["ENSG1\t679\t448\t873", "ENSG1\t723", "g\t5\t5.5\t7", "g\t0\t0\t4"]
)
def test_counts_without_a_header(tmp_path, line):
    with pytest.raises(Edge2TorchError, match=r"first line .*holds numbers where .*names"):
        read(tmp_path, "t.tsv", f"{line}\n{line.replace('1', '2', 1)}\n")


@pytest.mark.parametrize("header", ["id,101,99", ",101,99", "Gene ID,101,99", "g,1,2,3", "101,99"])
def test_samples_may_be_called_by_numbers(tmp_path, header):
    body = "a,5,6,7\nb,7,8,9\n" if header.count(",") == 3 else "a,5,6\nb,7,8\n"
    assert len(read(tmp_path, "t.csv", f"{header}\n{body}").samples) == body.count(",") // 2
    samples = pd.DataFrame({"sample_id": ["101", "99"]})
    assert len(read(tmp_path, "t.csv", "g,101,99\na,5,6\n", samples=samples).samples) == 2


def test_what_is_known_of_samples_is_no_gene(tmp_path):
    content = "donor,donor_id,age,batch,AGER,SET,IDS,B\ns1,7,60,1,5,4,3,6\ns2,8,50,2,7,4,3,8\n"
    with pytest.warns(Edge2TorchWarning, match="'donor_id', 'age', 'batch' are called like"):
        data = read(tmp_path, "t.csv", content, transpose=True)
    assert data.gene_ids.tolist() == ["AGER", "B", "IDS", "SET"]
    data = read(tmp_path, "t.csv", content, transpose=True, all_features=True)
    assert len(data.gene_ids) == 7
    names = content.split("\n", maxsplit=1)[0].split(",")[1:]
    table = pd.DataFrame({"transcript_id": names, "gene_id": "g"})
    data = read(tmp_path, "t.csv", content, transpose=True, transcripts=table)
    assert sorted(data.transcript_ids) == sorted(names)


def test_ids_stay_as_they_are_written(tmp_path):
    (tmp_path / "s.csv").write_text("sample_id,state\n001,null\n002,wt\n")
    data = read(tmp_path, "t.csv", "id,001,002\n7157,5,6\n0672,7,8\n", samples=tmp_path / "s.csv")
    assert data.samples["state"].tolist() == ["null", "wt"]
    assert data.gene_ids.tolist() == ["0672", "7157"]
    (tmp_path / "s.csv").write_text("age,sample_id\n61,001\n47,002\n")
    data = read(tmp_path, "t.csv", "id,001,002\n7157,5,6\n0672,7,8\n", samples=tmp_path / "s.csv")
    assert data.samples["age"].tolist() == [61, 47]
    with pytest.raises(Edge2TorchError, match=r"counts has 1 row\(s\) without an id"):
        read(tmp_path, "t.csv", "id,s1,s2\na,5,6\n,7,8\n")


def test_genes_beside_transcripts_in_a_frame():
    data = planted()
    genes = data.transcripts["gene_id"].to_numpy()
    own = transcript_data(data.counts.assign(gene_id=genes))
    assert (
        own.transcript_genes.tolist()
        == transcript_data(data.counts, data.transcripts).transcript_genes.tolist()
    )


@pytest.mark.parametrize(
    ("mine", "theirs"),
    [
        ("ENST{k:05d}.7", "ENST{k:05d}"),
        ("ENST{k:05d}", "ENST{k:05d}.7"),
        ("ENST{k:05d}.2|ENSG{k:05d}.1|-|X-{k}|9|", "ENST{k:05d}.2"),
        ("ENST{k:05d}.2|ENSG{k:05d}.1|-|X-{k}|9|", "ENST{k:05d}"),
    ],
)
def test_versions_and_bars(mine, theirs):
    data = planted()
    n = len(data.counts)
    counts = data.counts.set_axis([mine.format(k=k) for k in range(n)])
    table = data.transcripts.assign(transcript_id=[theirs.format(k=k) for k in range(n)])
    with pytest.raises(Edge2TorchError) as caught:
        transcript_data(counts, table)
    pair = f"{counts.index[0]!r} and {theirs.format(k=0)!r}"
    told = f"{n} of {n} ids agree up to a bar or a version, such as {pair}: plain_ids=True"
    assert told in str(caught.value)
    found = transcript_data(counts, table, plain_ids=True)
    expected = transcript_data(data.counts, data.transcripts)
    assert found.gene_counts.tolist() == expected.gene_counts.tolist()


def test_isoform_numbers_are_no_versions():
    data = planted()  # G00.t0, G00.t1: nothing to take off
    own = [f"AT1G{k // 2:05d}.{k % 2 + 1}" for k in range(len(data.counts) - 2)]
    own += ["ENST1.2", "ENST1.2_PAR_Y"]  # two copies of one gene, on chrX and chrY
    found = transcript_data(data.counts.set_axis(own), plain_ids=True)
    assert set(found.transcript_ids) == {*own[:-2], "ENST1", "ENST1_PAR_Y"}
    twice = data.counts.set_axis([*own[:-2], "ENST1.2", "ENST1.3"])
    with pytest.raises(Edge2TorchError, match="same row id more than once: 'ENST1'"):
        transcript_data(twice, plain_ids=True)
    with pytest.raises(Edge2TorchError) as caught:
        transcript_data(data.counts, data.transcripts.assign(transcript_id="x"))
    assert "plain_ids" not in str(caught.value)


def test_a_copy_on_y_stays_apart():
    counts = pd.DataFrame({"s1": [5, 6], "s2": [7, 8]}, ["ENST1.5|x", "ENST1.5_PAR_Y|x"])
    table = pd.DataFrame({"transcript_id": ["ENST1.4", "ENST1.4_PAR_Y"], "gene_id": ["a", "b"]})
    found = transcript_data(counts, table, plain_ids=True, min_samples=2)
    assert found.transcript_ids.tolist() == ["ENST1", "ENST1_PAR_Y"]


def test_genes_with_transcripts():
    data = planted()
    genes = data.counts.groupby(data.transcripts["gene_id"].to_numpy()).sum()
    with pytest.raises(
        Edge2TorchError, match=r"rows of counts are genes: leave the table of transcripts"
    ):
        transcript_data(genes, data.transcripts)


def test_a_gtf_without_versions(tmp_path):
    (tmp_path / "a.gtf").write_text("".join(
        f'1\tx\ttranscript\t1\t9\t.\t+\t.\tgene_id "G{k // 2}"; transcript_id "ENST{k:05d}";\n'
        for k in range(4)
    ))  # fmt: skip
    content = "id,s1,s2\n" + "".join(f"ENST{k:05d}.{k}|x|,5,6\n" for k in range(2))
    with pytest.raises(Edge2TorchError, match=r"2 of 2 ids agree .*plain_ids=True"):
        read(tmp_path, "t.csv", content, transcripts=tmp_path / "a.gtf")
    data = read(tmp_path, "t.csv", content, transcripts=tmp_path / "a.gtf", plain_ids=True)
    assert data.transcript_ids.tolist() == ["ENST00000", "ENST00001"]
    assert data.gene_ids.tolist() == ["G0"]


def test_a_table_between_blanks_names_its_separator(tmp_path):
    with pytest.raises(Edge2TorchError, match="blanks seem to separate its columns"):
        read(tmp_path, "t.txt", "id s1 s2\na 5 6\nb 7 8\n")
    with pytest.raises(Edge2TorchError, match="it has no samples") as caught:
        read(tmp_path, "t.csv", "id\na\nb\n")
    assert "min_samples" not in str(caught.value)


@pytest.mark.parametrize(
    "names", [("TXNAME", "GENEID"), ("transcript", "gene"), ("txid", "gene_id")]
)
def test_tables_of_transcripts_as_others_name_them(tmp_path, names):
    content = "id,s1,s2\nt1,5,6\nt2,7,8\n"
    (tmp_path / "tx2gene.csv").write_text(f"{names[0]},{names[1]}\nt1,g\nt2,g\n")
    data = read(tmp_path, "t.csv", content, transcripts=tmp_path / "tx2gene.csv")
    assert data.gene_ids.tolist() == ["g"]
    (tmp_path / "tx2gene.csv").write_text("t1,g\nt2,g\n")
    with pytest.raises(Edge2TorchError, match=r"its columns are 't1', 'g': is its header missing"):
        read(tmp_path, "t.csv", content, transcripts=tmp_path / "tx2gene.csv")
    table = pd.DataFrame({"name": ["t1"], "symbol": ["g"]})
    with pytest.raises(Edge2TorchError, match=r"its columns are 'name', 'symbol'$"):
        read(tmp_path, "t.csv", content, transcripts=table)


def test_accessions_of_uniprot_stand_between_bars():
    counts = pd.DataFrame({"s1": [5, 6], "s2": [7, 8]}, ["sp|P04637|P53_HUMAN", "tr|Q2-2|X"])
    found = transcript_data(counts, plain_ids=True, min_samples=2)
    assert found.gene_ids.tolist() == ["P04637", "Q2-2"]


def test_samples_by_genes_without_a_header(tmp_path):
    body = "s2,1,4,7\ns3,2,5,8\n"
    with pytest.raises(Edge2TorchError, match=r"numbers where names of genes belong: 's1', '15'"):
        read(tmp_path, "t.csv", f"s1,15,6,9\n{body}", transpose=True)
    for first in ("", "donor", "Sample Name", "Run", "mouse"):
        data = read(tmp_path, "t.csv", f"{first},7157,672,1956\n{body}", transpose=True)
        assert data.gene_ids.tolist() == ["1956", "672", "7157"]
    table = pd.DataFrame({"transcript_id": ["7157", "672", "1956"], "gene_id": "g"})
    data = read(tmp_path, "t.csv", f"s1,7157,672,1956\n{body}", transpose=True, transcripts=table)
    assert data.samples.index.tolist() == ["s2", "s3"]
