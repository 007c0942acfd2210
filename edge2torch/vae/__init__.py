"""Variational autoencoders whose encoder and decoder are compiled graphs."""

from edge2torch.priors import mirror
from edge2torch.vae._activity import differential_activity
from edge2torch.vae._compile import compile_vae, load_vae
from edge2torch.vae._core import VAE
from edge2torch.vae._diagnose import VAEDiagnostics
from edge2torch.vae._fit import FitReport
from edge2torch.vae._gain import ProfileGain
from edge2torch.vae._ivae import iVAE
from edge2torch.vae._likelihoods import (
    bernoulli_log_prob,
    gaussian_log_prob,
    poisson_log_prob,
    zinb_log_prob,
)
from edge2torch.vae._losses import (
    dip_loss,
    kl_divergence,
    mmd_loss,
    posterior_sd,
    total_correlation,
)
from edge2torch.vae._model import EdgeVAE
from edge2torch.vae._named import VAEArtifact
from edge2torch.vae._negative_binomial import nb_log_prob
from edge2torch.vae._networks import Decoder, Encoder, weight_init

__all__ = [
    "VAE",
    "Decoder",
    "EdgeVAE",
    "Encoder",
    "FitReport",
    "ProfileGain",
    "VAEArtifact",
    "VAEDiagnostics",
    "bernoulli_log_prob",
    "compile_vae",
    "differential_activity",
    "dip_loss",
    "gaussian_log_prob",
    "iVAE",
    "kl_divergence",
    "load_vae",
    "mirror",
    "mmd_loss",
    "nb_log_prob",
    "poisson_log_prob",
    "posterior_sd",
    "total_correlation",
    "weight_init",
    "zinb_log_prob",
]
