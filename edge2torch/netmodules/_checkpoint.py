"""Encoder and decoder of the vae backend, as compiled graphs."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from torch import nn

from edge2torch.compile import CompileArtifact, load_compiled, save_compiled


@dataclass(frozen=True, eq=False)
class Checkpoint:
    """A fitted encoder and decoder; both are compiled graphs with node names.

    Parameters
    ----------
    encoder, decoder : Module
        The encoder takes standardised feature scores (b, features) and returns (b, 2k): means of
        the latents, then what the softplus makes their standard deviations
        of. The decoder takes latents (b, k) and returns standardised scores (b, features).
    encoder_artifact, decoder_artifact : CompileArtifact
        Names of their inputs and outputs. Latents are ``z0``, ``z1``, ...; the encoder's outputs
        are the latents' names followed by ``z0 (spread)``, ...

    Examples
    --------
    >>> from edge2torch.netmodules import fit_modules
    >>> from edge2torch.simulate import planted_modules
    >>> planted = planted_modules(n_modules=2, module_size=12, n_background=20, seed=0)
    >>> found = fit_modules(
    ...     planted.counts, planted.transcripts, planted.samples, backend="vae", quiet=True)
    >>> found.checkpoint.decoder_artifact.feature_names[:1]
    ['z0']
    """

    encoder: nn.Module
    decoder: nn.Module
    encoder_artifact: CompileArtifact
    decoder_artifact: CompileArtifact


def save_checkpoint(folder: Path, checkpoint: Checkpoint) -> None:
    save_compiled(folder / "encoder", checkpoint.encoder, checkpoint.encoder_artifact)
    save_compiled(folder / "decoder", checkpoint.decoder, checkpoint.decoder_artifact)


def load_checkpoint(folder: Path) -> Checkpoint:
    encoder, encoder_artifact = load_compiled(folder / "encoder")
    decoder, decoder_artifact = load_compiled(folder / "decoder")
    return Checkpoint(encoder.eval(), decoder.eval(), encoder_artifact, decoder_artifact)
