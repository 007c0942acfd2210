"""Labels checked by hand, on both strands; files that are cut, foreign or ill-written."""

import gzip
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from edge2torch import Edge2TorchError
from edge2torch.errors import Edge2TorchWarning
from edge2torch.explain import annotate_structure, summarize_structure
from edge2torch.explain._gtf import read_gtf
from edge2torch.netmodules import NetworkModules

# Transcript: strand, gene, biotype, exons, coding parts.
MODELS = {
    "P.1": ("+", "P", "protein_coding", [(1, 100), (201, 300), (401, 500)], [(51, 100), (201, 300), (401, 450)]),
    # the middle exon is skipped
    "P.2": ("+", "P", "protein_coding", [(1, 100), (401, 500)], [(51, 100), (401, 450)]),
    # the same but for a longer end
    "P.3": ("+", "P", "protein_coding", [(1, 100), (201, 300), (401, 600)], [(51, 100), (201, 300), (401, 450)]),
    # not coding
    "P.4": ("+", "P", "retained_intron", [(1, 300), (401, 500)], []),
    # starts at the second exon
    "P.5": ("+", "P", "protein_coding", [(201, 300), (401, 500)], [(201, 300), (401, 450)]),
    "N.1": ("-", "N", "protein_coding", [(1, 100), (201, 300), (401, 500)], [(201, 300)]),
    # on the minus strand the last of the file is the first exon
    "N.2": ("-", "N", "protein_coding", [(1, 100), (201, 300), (401, 550)], [(201, 300)]),
}  # fmt: skip


def lines(models=MODELS):
    yield "#!genome-build of a test"
    for name, (strand, gene, biotype, exons, coding) in models.items():
        about = f'gene_id "{gene}"; transcript_id "{name}"; transcript_type "{biotype}";'
        for kind, parts in (("transcript", exons[:1]), ("exon", exons), ("CDS", coding)):
            for start, end in parts:
                yield f"chr1\tx\t{kind}\t{start}\t{end}\t.\t{strand}\t.\t{about}"


@pytest.fixture(name="gtf")
def _gtf(tmp_path):
    path = tmp_path / "genes.gtf.gz"
    path.write_bytes(gzip.compress(("\n".join(lines()) + "\n").encode()))
    return path


def pairs(*names):
    table = pd.DataFrame(names, columns=["transcript_id_a", "transcript_id_b"])
    return table.assign(gene_id=table["transcript_id_a"].str[0])


def test_labels_by_hand(gtf):
    found = annotate_structure(
        gtf, pairs(("P.1", "P.2"), ("P.3", "P.1"), ("P.1", "P.4"), ("P.1", "P.5"), ("N.1", "N.2"))
    )
    expected = {
        #                           skipped  longer  intron  start  minus
        "first_exon_changed":       [False, False, True, True, True],
        "last_exon_changed":        [False, True, False, False, False],
        "internal_exon_difference": [True, False, True, False, False],
        "cds_changed":              [True, False, True, True, False],
        "utr_changed":              [False, True, True, True, True],
        "biotype_switch":           [False, False, True, False, False],
        "coding_status_change":     [False, False, True, False, False],
        "transcript_length_delta":  [100, 100, -100, 100, -50],
        "cds_length_delta":         [100, 0, 200, 50, 0],
        "shared_exon_fraction":     [2 / 3, 2 / 4, 1 / 4, 2 / 3, 2 / 4],
    }  # fmt: skip
    for name, values in expected.items():
        assert found[name].to_list() == values, name
    assert (found["status"] == "ok").all()


def test_a_fit_is_asked_for_its_pairs(gtf, monkeypatch):
    fit = object.__new__(NetworkModules)
    monkeypatch.setattr(NetworkModules, "switch_pairs", lambda _: pairs(("P.1", "P.2")))
    expected = annotate_structure(gtf, pairs(("P.1", "P.2")))
    pd.testing.assert_frame_equal(annotate_structure(gtf, fit), expected)
    with pytest.raises(
        Edge2TorchError, match="pairs must be a fit of modules, or a DataFrame with"
    ):
        annotate_structure(gtf, ["P.1", "P.2"])


def test_what_cannot_be_labelled_is_reported(gtf, tmp_path):
    asked = pairs(("P.1", "N.1"), ("P.1", "X.1"), ("P.1", "P.2"))
    found = annotate_structure(gtf, asked)
    assert found["status"].to_list() == ["different genes", "unknown transcript", "ok"]
    assert found["cds_changed"].isna().to_list() == [True, True, False]
    assert found["shared_exon_fraction"].isna().to_list() == [True, True, False]
    bare = tmp_path / "cds_only.gtf"
    text = "\n".join(line for line in lines() if "P.2" not in line or "\texon\t" not in line)
    bare.write_text(text + "\n")
    assert annotate_structure(bare, asked)["status"].to_list()[2] == "no exons"
    with pytest.raises(Edge2TorchError, match=r"none of the transcripts 'X.1'.*'P.1'"):
        annotate_structure(gtf, pairs(("X.1", "X.2")))
    with pytest.raises(Edge2TorchError, match=r"lacks.*'transcript_id_b'"):
        annotate_structure(gtf, asked.drop(columns="transcript_id_b"))


def test_pairs_without_ids_have_unknown_transcripts(gtf):
    asked = pairs(("P.1", "P.2"), ("P.1", None)).assign(gene_id="P")
    found = annotate_structure(gtf, asked)
    assert found["status"].to_list() == ["ok", "unknown transcript"]
    for empty in (None, float("nan")):
        with pytest.raises(Edge2TorchError, match="none of the transcripts"):
            annotate_structure(gtf, asked.assign(transcript_id_a=empty, transcript_id_b=empty))
    assert annotate_structure(gtf, asked[:0]).empty


def test_ids_before_a_bar(gtf):
    asked = pairs(("P.1|G|x", "P.2|G"), ("P.1", "P.3"))
    with pytest.warns(Edge2TorchWarning, match=r"2 are there .* the bar: plain_ids=True"):
        found = annotate_structure(gtf, asked)
    assert found["status"].to_list() == ["unknown transcript", "ok"]
    with pytest.raises(
        Edge2TorchError, match=r"none of the transcripts.* 2 are there by .*plain_ids"
    ):
        annotate_structure(gtf, asked[:1])
    found = annotate_structure(gtf, asked, plain_ids=True)
    assert found["status"].to_list() == ["ok", "ok"]
    assert found["transcript_id_a"].to_list() == ["P.1|G|x", "P.1"]
    plain = annotate_structure(gtf, pairs(("P.1", "P.2"), ("P.1", "P.3")))
    pd.testing.assert_frame_equal(found.iloc[:, 3:], plain.iloc[:, 3:])


def of(path, models):
    path.write_text("\n".join(lines(models)) + "\n")
    return path


def test_versions_are_dropped_only_where_that_is_unique(tmp_path):
    models = {
        "ENST09.4": MODELS["P.1"],
        "ENSMUST08.1": MODELS["P.2"],
        "ENSMUST08.2": MODELS["P.3"],
        "NM_7.1": MODELS["P.4"],
        "ENST06.2_PAR_Y": MODELS["P.5"],
        "ENST05.3_1": MODELS["P.5"],
    }
    path = of(tmp_path / "versions.gtf", models)
    asked = {
        ("ENST09.7", "ENSMUST08.1"): "ok",
        ("ENST09", "ENSMUST08.3"): "unknown transcript",  # which of the two?
        ("NM_7.12", "ENST09.4"): "ok",
        ("ENST06.9_PAR_Y", "ENST05.3"): "ok",
        ("ENST06.9", "NM_7"): "unknown transcript",  # that of chrX is not in the file
    }
    with pytest.warns(Edge2TorchWarning, match=r"'ENST09.7' -> 'ENST09.4'.*as|as: 'ENST09.7'"):
        found = annotate_structure(path, pairs(*asked))
    assert found["status"].to_list() == list(asked.values())


@pytest.mark.parametrize(
    ("there", "absent"),
    [
        ("AT1G01010.1", "AT1G01010.2"),
        ("MSTRG.5.1", "MSTRG.5.2"),
        ("PB.1.1", "PB.1.2"),
        ("Y74C9A.3.1", "Y74C9A.3"),
        ("ENST1.1", "ENST1.2"),  # two versions as a pair are two transcripts, too
    ],
)
def test_an_isoform_that_is_absent_is_not_another(tmp_path, there, absent):
    path = of(tmp_path / "isoforms.gtf", {there: MODELS["P.1"], "other": MODELS["P.2"]})
    asked = pairs((there, absent), (absent, there), (there, "other"))
    found = annotate_structure(path, asked)
    assert found["status"].to_list() == ["unknown transcript", "unknown transcript", "ok"]
    assert found["cds_changed"].isna().to_list() == [True, True, False]


def test_two_versions_that_are_both_absent_share_no_row(tmp_path):
    path = of(tmp_path / "isoforms.gtf", {"ENST1.2": MODELS["P.1"], "ENST2.2": MODELS["P.2"]})
    asked = pairs(("ENST1.1", "ENST1.3"), ("ENST1.2", "ENST1.2"), ("ENST1.2", "ENST2.2"))
    found = annotate_structure(path, asked)
    assert found["status"].to_list() == ["unknown transcript", "same transcript", "ok"]


def test_the_places_of_a_transcript_are_kept_apart(tmp_path):
    def rows(seqname, strand, name, exons, gene="S"):
        about = f'gene_id "{gene}"; transcript_id "{name}";'
        return [f"{seqname}\tx\texon\t{s}\t{e}\t.\t{strand}\t.\t{about}" for s, e in exons]

    path = tmp_path / "places.gtf"
    text = [
        *rows("chrX", "+", "A", [(1, 100), (201, 300)]),
        *rows("chrY", "+", "A", [(1, 100), (251, 260)]),
        *rows("chrX", "+", "B", [(1, 100), (201, 300)]),
        *rows("chrY", "+", "B", [(1, 100)]),
        *rows("chr1", "+", "C", [(1, 100)]),
        *rows("chr1", "-", "C", [(1, 100), (201, 300)]),
        *rows("chr1", "-", "D", [(201, 300)]),
        *rows("chr2", "+", "E", [(1, 100)], gene="other"),
    ]
    path.write_text("\n".join(text) + "\n")
    asked = pairs(("A", "B"), ("C", "D"), ("A", "D"), ("A", "E")).assign(gene_id="S")
    found = annotate_structure(path, asked)
    shown = found[["transcript_id_a", "place", "status", "transcript_length_delta"]]
    assert shown.iloc[:3].to_numpy().tolist() == [
        ["A", "chrX:+", "ok", 0],
        ["A", "chrY:+", "ok", 10],
        ["C", "chr1:-", "ok", 100],
    ]
    assert found["status"].to_list()[3:] == ["different places", "different genes"]
    assert found["place"].isna().to_list() == [False, False, False, True, True]
    assert found["first_exon_changed"].to_list()[:3] == [False, False, False]
    total = summarize_structure(found).set_index(["transcript_id", "place"])
    assert total["n_pairs"].to_dict() == {
        ("A", "chrX:+"): 1, ("A", "chrY:+"): 1, ("B", "chrX:+"): 1, ("B", "chrY:+"): 1,
        ("C", "chr1:-"): 1, ("D", "chr1:-"): 1,
    }  # fmt: skip
    assert total["shared_exon_fraction"]["A", "chrY:+"] == 0.5
    again = annotate_structure(path, found)  # a table that was annotated before
    assert again.columns.to_list() == found.columns.to_list()


def test_the_cache_is_keyed_by_content(gtf, tmp_path):
    calls = []
    kwargs = {"cache_dir": tmp_path / "cache", "progress": lambda *at: calls.append(at)}
    first = annotate_structure(gtf, pairs(("P.1", "P.2")), **kwargs)
    assert calls[-1][0] == calls[-1][1] == gtf.stat().st_size
    count = len(calls)
    again = annotate_structure(gtf, pairs(("P.1", "P.2")), **kwargs)
    assert len(calls) == count
    pd.testing.assert_frame_equal(first, again)
    text = "\n".join(lines({"P.1": MODELS["P.1"], "P.2": MODELS["P.3"]})) + "\n"
    gtf.write_bytes(gzip.compress(text.encode()))
    other = annotate_structure(gtf, pairs(("P.1", "P.2")), **kwargs)
    assert other["shared_exon_fraction"].to_list() == [0.5]
    for file in (tmp_path / "cache").rglob("*.parquet"):
        file.write_bytes(b"damaged")
    pd.testing.assert_frame_equal(annotate_structure(gtf, pairs(("P.1", "P.2")), **kwargs), other)


def test_files_that_are_wrong(gtf, tmp_path):
    cut = tmp_path / "cut.gtf.gz"
    cut.write_bytes(gtf.read_bytes()[:-40])
    with pytest.raises(Edge2TorchError, match="ends early"):
        read_gtf(cut)
    spaces = tmp_path / "spaces.gtf"
    spaces.write_text("\n".join(lines()).replace("\t", " ") + "\n")
    with pytest.raises(Edge2TorchError, match="spaces where tabs belong"):
        read_gtf(spaces)
    other = tmp_path / "no_ids.gtf"
    other.write_text('chr1\tx\texon\t1\t9\t.\t+\t.\tgene_id "A";\n')
    with pytest.raises(Edge2TorchError, match="transcript_id"):
        read_gtf(other)
    letters = tmp_path / "letters.gtf"
    letters.write_text('chr1\tx\texon\tone\t9\t.\t+\t.\tgene_id "A"; transcript_id "T";\n')
    with pytest.raises(Edge2TorchError, match=r"cannot be read.*one"):
        read_gtf(letters)
    empty = tmp_path / "empty.gtf"
    empty.write_text("")
    with pytest.raises(Edge2TorchError, match=r"exon or CDS|cannot be read"):
        read_gtf(empty)
    with pytest.raises(Edge2TorchError, match="there is no file"):
        read_gtf(tmp_path / "absent.gtf")


def test_pairs_and_their_sums(gtf):
    loadings = pd.DataFrame(
        {
            "transcript_id": ["P.1", "P.2", "P.3", "N.1"],
            "gene_id": list("PPPN"),
            "loading": [0.8, -0.6, 0.1, 1],
        }
    )
    chosen = NetworkModules.switch_pairs(SimpleNamespace(loadings=loadings))
    assert chosen.to_numpy().tolist() == [["P", "P.1", "P.2"]]
    both = pd.concat([chosen, pairs(("P.1", "P.3"))])
    total = annotate_structure(gtf, both, by="transcript").set_index("transcript_id")
    assert total["n_pairs"].to_dict() == {"P.1": 2, "P.2": 1, "P.3": 1}
    assert total["last_exon_changed"].to_dict() == {"P.1": True, "P.2": False, "P.3": True}
    assert total.loc["P.1", "shared_exon_fraction"] == pytest.approx((2 / 3 + 2 / 4) / 2)


def test_many_pairs_equal_sets_compared_one_by_one(tmp_path):
    rng = np.random.default_rng(0)
    models = {}
    for k in range(60):
        starts = np.sort(rng.choice(12, rng.integers(1, 8), replace=False)) * 100
        exons = [(int(s) + 1, int(s) + int(rng.integers(50, 53))) for s in starts]
        models[f"T{k}"] = ("+-"[k // 10 % 2], f"G{k // 10}", "x", exons, exons[1:-1])
    path = tmp_path / "many.gtf"
    path.write_text("\n".join(lines(models)) + "\n")
    asked = pairs(*((f"T{k}", f"T{k // 10 * 10 + (k + 3) % 10}") for k in range(60)))
    found = annotate_structure(path, asked)
    for row in found.itertuples():
        (strand, _, _, a, cds_a), (_, _, _, b, cds_b) = (
            models[row.transcript_id_a], models[row.transcript_id_b]
        )  # fmt: skip
        head, tail = (0, -1) if strand == "+" else (-1, 0)
        assert row.first_exon_changed == (a[head] != b[head])
        assert row.last_exon_changed == (a[tail] != b[tail])
        assert row.internal_exon_difference == bool(set(a[1:-1]) - set(b) | set(b[1:-1]) - set(a))
        assert row.cds_changed == (set(cds_a) != set(cds_b))
        assert row.shared_exon_fraction == pytest.approx(
            len(set(a) & set(b)) / len(set(a) | set(b))
        )
