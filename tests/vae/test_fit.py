from __future__ import annotations

from pathlib import Path
from typing import Any

import anndata
import lightning.pytorch as pl
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
import torch
from lightning.pytorch.callbacks import ModelCheckpoint
from lightning.pytorch.plugins.io import TorchCheckpointIO

from edge2torch._core.files import write_file
from edge2torch.errors import Edge2TorchError, Edge2TorchWarning
from edge2torch.vae import EdgeVAE, compile_vae, load_vae
from edge2torch.vae._lightning import with_whole_files

# fits of a few epochs, which the mean profile is ahead of
pytestmark = pytest.mark.filterwarnings("ignore:On held-out cells the model does not beat")

GENES = [f"g{k}" for k in range(14)]
TINY = {"features": GENES, "latents": 3, "hidden_dim": 16}


def tiny(**more: object) -> EdgeVAE:
    return compile_vae(**{**TINY, **more})[0]  # type: ignore[arg-type]


def same(one: EdgeVAE, other: EdgeVAE) -> bool:
    pairs = zip(one.state_dict().values(), other.state_dict().values(), strict=True)
    return all(torch.equal(a, b) for a, b in pairs)


def test_a_seed_fixes_a_fit_and_the_global_state_is_left_alone(counts: pd.DataFrame) -> None:
    torch.manual_seed(5)
    before = torch.get_rng_state()
    models = [tiny(), tiny(), tiny()]
    for model, seed in zip(models, (1, 1, 2), strict=True):
        model.fit(counts, max_epochs=3, seed=seed)
    assert same(models[0], models[1])
    assert not same(models[0], models[2])
    assert torch.equal(before, torch.get_rng_state())


def test_killed_and_resumed_equals_unbroken(counts: pd.DataFrame, tmp_path: Path) -> None:
    unbroken, broken, again = tiny(), tiny(), tiny()
    options = {"lr": 1e-2, "batch_size": 32, "warmup": 2}
    unbroken.fit(counts, max_epochs=6, **options)
    broken.fit(counts, max_epochs=3, folder=tmp_path, **options)
    report = again.fit(counts, max_epochs=6, folder=tmp_path, resume=True, **options)
    assert report.history["epoch"].tolist() == [3, 4, 5]
    assert same(unbroken, again)
    assert list(tmp_path.rglob("metrics.csv"))


def test_checkpoints_are_drafted_beside_their_place(
    counts: pd.DataFrame, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written: list[Path] = []

    def watched(path: Path, fill: Any) -> Path:
        written.append(Path(path))
        return write_file(path, fill)

    monkeypatch.setattr("edge2torch.vae._lightning.write_file", watched)
    tiny().fit(counts, max_epochs=2, folder=tmp_path, progress=False)
    assert {tmp_path / "best.ckpt", tmp_path / "last.ckpt"} == set(written)
    assert not list(tmp_path.rglob(".draft-*"))


def test_a_user_may_have_checkpoints_of_his_own() -> None:
    own = TorchCheckpointIO()
    assert with_whole_files({"plugins": own, "devices": 1}) == {"plugins": [own], "devices": 1}
    (ours,) = with_whole_files({})["plugins"]
    with pytest.raises(TypeError, match="no folders"):
        ours.save_checkpoint({}, "s3://bucket/last.ckpt", storage_options={"key": 1})


class _KilledError(Exception):
    pass


class _DiesInItsThirdEpoch(pl.Callback):
    def on_train_batch_start(self, trainer: pl.Trainer, *rest: object) -> None:
        if trainer.current_epoch == 2 and rest[-1] == 1:
            raise _KilledError


def test_killed_between_two_steps_and_resumed_equals_unbroken(
    counts: pd.DataFrame, tmp_path: Path
) -> None:
    unbroken, broken, again = tiny(), tiny(), tiny()
    options = {"max_epochs": 4, "lr": 1e-2, "batch_size": 32, "warmup": 2}
    unbroken.fit(counts, **options)
    with pytest.raises(_KilledError):
        broken.fit(
            counts, folder=tmp_path, trainer={"callbacks": [_DiesInItsThirdEpoch()]}, **options
        )
    report = again.fit(counts, folder=tmp_path, resume=True, **options)
    assert report.history["epoch"].tolist() == [2, 3]
    assert same(unbroken, again)


def test_no_file_is_written_without_a_folder(
    counts: pd.DataFrame, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written = []
    monkeypatch.setattr(torch, "save", lambda *given: written.append(given))
    tiny().fit(counts, max_epochs=1)
    assert not written
    monkeypatch.undo()
    monkeypatch.chdir(tmp_path)
    own = ModelCheckpoint(dirpath=tmp_path / "own")
    tiny().fit(counts, max_epochs=1, trainer={"callbacks": [own]})
    assert [one.name for one in tmp_path.iterdir()] == ["own"]


def test_training_stops_early_with_the_best_weights(counts: pd.DataFrame) -> None:
    model = tiny()
    report = model.fit(counts, max_epochs=100, lr=0.05, patience=3, warmup=1)
    assert report.stopped_early
    assert report.best_epoch == report.history["epoch"][report.history["val_gain"].idxmax()]
    row = report.history.set_index("epoch").loc[report.best_epoch]
    assert row["val_elbo"] == pytest.approx(report.best_elbo, rel=1e-5)


@pytest.mark.parametrize("form", ["sparse", "layer", "backed sparse", "backed dense", "frame"])
def test_every_form_of_data_gives_the_same(form: str, counts: pd.DataFrame, tmp_path: Path) -> None:
    matrix = counts.to_numpy(np.float32)
    frame = {"obs": counts[[]], "var": pd.DataFrame(index=counts.columns)}
    dense, sparse = (
        anndata.AnnData(matrix, **frame),
        anndata.AnnData(sp.csr_matrix(matrix), **frame),
    )
    layer = None
    data: object = sparse
    if form == "frame":
        data = counts
    elif form == "layer":
        layer, data = (
            "counts",
            anndata.AnnData(np.ones_like(matrix), layers={"counts": matrix}, **frame),
        )
    elif form.startswith("backed"):
        file = tmp_path / "cells.h5ad"
        (sparse if form.endswith("sparse") else dense).write_h5ad(file)
        data = anndata.read_h5ad(file, backed="r")
    model = tiny()
    wanted = model.latent_table(counts)
    pd.testing.assert_frame_equal(model.latent_table(data, layer=layer), wanted, check_names=False)
    model.fit(data, layer=layer, max_epochs=1)


@pytest.mark.filterwarnings("ignore:Writing zarr v2")
@pytest.mark.parametrize("store", ["h5ad", "zarr"])
def test_on_disk_and_in_memory_train_to_the_same_bits(
    store: str, counts: pd.DataFrame, tmp_path: Path
) -> None:
    var = pd.DataFrame(index=counts.columns)
    cells = anndata.AnnData(sp.csr_matrix(counts.to_numpy(np.float32)), counts[[]], var)
    if store == "zarr":
        zarr = pytest.importorskip("zarr", reason="needs zarr")
        cells.write_zarr(tmp_path / "cells.zarr")
        matrix = anndata.io.sparse_dataset(zarr.open(tmp_path / "cells.zarr")["X"])
        stored = anndata.AnnData(matrix, counts[[]], var)
    else:
        cells.write_h5ad(tmp_path / "cells.h5ad")
        stored = anndata.read_h5ad(tmp_path / "cells.h5ad", backed="r")
    found = []
    for data in (cells, stored):
        model = tiny()
        model.fit(data, max_epochs=3, batch_size=20, together=4)
        found.append(model.latent_table(counts))
    pd.testing.assert_frame_equal(*found, check_exact=True)


@pytest.mark.parametrize("n_cells", [2, 33, 90])
def test_any_number_of_cells_runs_with_defaults(n_cells: int, counts: pd.DataFrame) -> None:
    tiny().fit(counts.iloc[:n_cells], max_epochs=1)
    tiny().fit(counts.iloc[:n_cells], max_epochs=1, batch_size=1, dip=1.0, tc=1.0, info=1.0)


def test_a_query_without_some_genes_is_mapped_and_they_are_named(counts: pd.DataFrame) -> None:
    model = tiny()
    query = counts.drop(columns=["g3", "g7"])
    with pytest.raises(Edge2TorchError, match="no column for 2 of 14 features: 'g3', 'g7'"):
        model.latent_table(query)
    with pytest.warns(Edge2TorchWarning, match="2 of 14 features are missing.*'g3', 'g7'"):
        mapped = model.latent_table(query[query.columns[::-1]], missing=0.0)
    wanted = model.latent_table(counts.assign(g3=0, g7=0))
    pd.testing.assert_frame_equal(mapped, wanted)


def test_samples_are_of_the_posterior(counts: pd.DataFrame) -> None:
    model = tiny()
    mean = model.latent_table(counts)
    pd.testing.assert_frame_equal(mean, model.latent_table(counts))
    draws = model.latent_table(counts, samples=400, seed=1)
    assert draws.index.nlevels == 2
    np.testing.assert_allclose(draws.groupby(level=1, sort=False).mean(), mean, atol=0.35)


def test_a_save_is_a_folder_without_pickle_and_loads_bit_for_bit(
    counts: pd.DataFrame, sets: pd.DataFrame, tmp_path: Path
) -> None:
    model, _ = compile_vae(
        decoder_edges=sets, features=GENES, likelihood="zinb", interpretative=2, soft_mask=0.1,
        covariates={"batch": ["x", "y"]}, library="learned", dense_latents=1,
    )  # fmt: skip
    obs = pd.DataFrame({"batch": ["x", "y"] * 45})
    model.fit(counts, obs=obs, max_epochs=1)
    folder = model.save(model.save(tmp_path / "vae"))
    assert sorted(file.suffix for file in folder.iterdir()) == [".json", ".safetensors"]
    again = load_vae(folder)
    assert same(model, again)
    pd.testing.assert_frame_equal(
        model.latent_table(counts, obs=obs), again.latent_table(counts, obs=obs)
    )
    pd.testing.assert_frame_equal(model.outside_edges(), again.outside_edges())


def test_a_damaged_folder_is_refused(tmp_path: Path) -> None:
    folder = tiny().save(tmp_path / "vae")
    weights = next(folder.glob("*.safetensors"))
    weights.write_bytes(weights.read_bytes()[:-4])
    with pytest.raises(Edge2TorchError, match="hash"):
        load_vae(folder)
    (folder / "vae.json").write_text("{")
    with pytest.raises(Edge2TorchError, match="damaged"):
        load_vae(folder)
    with pytest.raises(Edge2TorchError, match=r"no vae\.json"):
        load_vae(tmp_path)


def test_only_the_same_fit_is_resumed(counts: pd.DataFrame, tmp_path: Path) -> None:
    model, _ = compile_vae(features=list(counts), latents=2, hidden_dim=4)
    model.fit(counts, max_epochs=1, folder=tmp_path, progress=False)
    other, _ = compile_vae(features=list(counts), latents=3, hidden_dim=4)
    with pytest.raises(Edge2TorchError, match="another 'model', 'lr'"):
        other.fit(counts, max_epochs=2, lr=0.5, folder=tmp_path, resume=True, progress=False)


def test_former_names_of_settings_are_taken(counts: pd.DataFrame) -> None:
    rates = {"learning_rate": 0.05, "validation_fraction": 0.3}
    found = tiny().fit(counts, max_epochs=2, progress=False, **rates)
    again = tiny().fit(counts, max_epochs=2, progress=False, lr=0.05, validation=0.3)
    assert found.history.equals(again.history)


def test_a_setting_that_there_is_not_is_refused(counts: pd.DataFrame) -> None:
    with pytest.raises(Edge2TorchError, match=r"no argument 'irecons'\. Nearest .*'irecon'"):
        tiny().fit(counts, irecons=1.0)  # type: ignore[call-arg]


def test_folders_say_which_activation_only_if_it_is_another(tmp_path: Path) -> None:
    assert '"activation"' not in (tiny().save(tmp_path / "relu") / "vae.json").read_text()
    other = load_vae(tiny(activation="elu").save(tmp_path / "elu"))
    assert other.design.activation == "elu"
