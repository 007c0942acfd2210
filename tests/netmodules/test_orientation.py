"""Samples × genes is refused, by the tables that go with it or by the look of the ids."""

import pandas as pd
import pytest

from edge2torch.errors import Edge2TorchError
from edge2torch.netmodules import read_transcript_data, transcript_data
from tests.netmodules.conftest import planted

TURNED = "the table looks transposed: "


def test_the_sample_table_tells():
    data = planted()
    with pytest.raises(Edge2TorchError, match=TURNED + r"60 of 60 rows .* a sample_id"):
        transcript_data(data.counts.T, samples=data.samples)
    with pytest.raises(Edge2TorchError, match=r"Pass data\.T.*transpose=True"):
        transcript_data(data.counts.T, data.transcripts, data.samples.set_index("sample_id"))


def test_the_transcript_table_tells_by_transcripts_and_by_genes():
    data = planted()
    with pytest.raises(Edge2TorchError, match=TURNED + ".* an id of the transcripts"):
        transcript_data(data.counts.T, data.transcripts)
    genes = data.counts.groupby(data.transcripts.set_index("transcript_id")["gene_id"]).sum()
    with pytest.raises(Edge2TorchError, match=TURNED + "66 of 66 columns"):
        transcript_data(genes.T, data.transcripts)


@pytest.mark.parametrize(
    "name", ["ENSG{:011d}.4", "ENSMUST{:011d}", "NM_{:06d}", "NR_{:09d}.2", "ENSG{:011d}.1_PAR_Y"]
)
def test_the_ids_tell(name):
    counts = planted().counts
    counts = counts.set_axis([name.format(k) for k in range(len(counts))])
    assert len(transcript_data(counts).samples) == 60
    with pytest.raises(Edge2TorchError, match=TURNED + ".*by its look"):
        transcript_data(counts.T)


def test_nothing_is_said_where_the_tables_agree_or_no_id_is_known():
    data = planted()
    odd = data.counts.set_axis([f"ENSG{k:011d}" for k in range(60)], axis=1)  # samples named so
    samples = data.samples.assign(sample_id=odd.columns)
    assert len(transcript_data(odd, data.transcripts, samples).samples) == 60
    assert len(transcript_data(data.counts.T).samples) == len(data.counts)


def test_a_file_is_turned_on_demand_only(tmp_path):
    data = planted()
    expected = transcript_data(data.counts, data.transcripts, data.samples)
    gtf = [
        f'1\tx\ttranscript\t1\t9\t.\t+\t.\tgene_id "{row.gene_id}"; transcript_id "{row.transcript_id}";'
        for row in data.transcripts.itertuples()
    ]
    (tmp_path / "genes.gtf").write_text("\n".join(gtf))
    data.counts.T.rename_axis("donor").to_csv(tmp_path / "turned.csv")
    data.counts.rename_axis("id").to_csv(tmp_path / "right.csv")
    with pytest.raises(Edge2TorchError, match=TURNED + ".* an id of the transcripts"):
        read_transcript_data(tmp_path / "turned.csv", transcripts=tmp_path / "genes.gtf")
    found = read_transcript_data(
        tmp_path / "turned.csv", transcripts=tmp_path / "genes.gtf", samples=data.samples,
        transpose=True,
    )  # fmt: skip
    assert (found.counts == expected.counts).all()
    assert found.transcript_ids.tolist() == expected.transcript_ids.tolist()
    with pytest.raises(Edge2TorchError, match="Leave out transpose=True"):
        read_transcript_data(tmp_path / "right.csv", samples=data.samples, transpose=True)
    data.counts.T.assign(sex="f").rename_axis("donor").to_csv(tmp_path / "mixed.csv")
    with pytest.raises(
        Edge2TorchError, match=r"not numbers: 'sex'\. Leave them out; what is known of samples"
    ):
        read_transcript_data(tmp_path / "mixed.csv", transpose=True)
    with pytest.raises(Edge2TorchError, match="say which axis holds samples"):
        read_transcript_data(tmp_path, transpose=True)


def test_an_index_of_ids_in_parquet_is_turned_too(tmp_path):
    data = planted()
    data.counts.T.rename_axis("donor").to_parquet(tmp_path / "x.parquet")
    found = read_transcript_data(tmp_path / "x.parquet", transpose=True)
    expected = transcript_data(data.counts)
    assert (found.counts == expected.counts).all()
    assert found.samples.index.tolist() == expected.samples.index.tolist()
    assert isinstance(found.samples, pd.DataFrame)
