"""Variational autoencoders whose encoder and decoder are compiled graphs."""

from edge2torch.priors import mirror
from edge2torch.vae._activity import differential_activity
from edge2torch.vae._compile import compile_vae, load_vae
from edge2torch.vae._core import VAE
from edge2torch.vae._diagnose import VAEDiagnostics as VAEDiagnostics
from edge2torch.vae._fit import FitReport as FitReport
from edge2torch.vae._gain import ProfileGain as ProfileGain
from edge2torch.vae._ivae import iVAE
from edge2torch.vae._model import EdgeVAE as EdgeVAE
from edge2torch.vae._named import VAEArtifact as VAEArtifact
from edge2torch.vae._networks import Decoder as Decoder
from edge2torch.vae._networks import Encoder as Encoder
from edge2torch.vae._networks import weight_init

# Names "as" themselves are what comes back: importable, and no part of what a user calls.
__all__ = [
    "VAE",
    "compile_vae",
    "differential_activity",
    "iVAE",
    "load_vae",
    "mirror",
    "weight_init",
]
