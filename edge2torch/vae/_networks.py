"""Encoder and decoder around compiled graphs, with the reference's names and shapes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn

from edge2torch.compile import CompileArtifact
from edge2torch.nn import MaskedLinear
from edge2torch.vae._graphs import DECODER, ENCODER, dense_decoder, dense_encoder
from edge2torch.vae._losses import posterior_sd


class LatentEncoder(nn.Module):
    """A compiled graph whose outputs are the means, then the spreads, of a posterior.

    Parameters
    ----------
    network : Module
        Maps (b, nodes fed) to (b, 2 k), compiled.
    artifact : CompileArtifact
        Its names.
    columns : sequence of int, optional
        Columns of x that the network is fed with; all by default.
    """

    columns: Tensor | None

    def __init__(
        self, network: nn.Module, artifact: CompileArtifact, columns: Sequence[int] | None = None
    ) -> None:
        super().__init__()
        self.network, self.artifact = network, artifact
        chosen = None if columns is None else torch.as_tensor(np.asarray(columns))
        self.register_buffer("columns", chosen, persistent=False)

    def posterior(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return q_m and q_s, each (b, k)."""
        fed = x if self.columns is None else x.index_select(1, self.columns)
        q_m, q_s = self.network(fed).chunk(2, dim=1)
        return q_m, q_s

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Map x (b, i) to a sample, the mean and the spread's parameter, each (b, k)."""
        q_m, q_s = self.posterior(x)
        return q_m + posterior_sd(q_s) * torch.randn_like(q_m), q_m, q_s


class GeneDecoder(nn.Module):
    """A compiled graph from latents to genes, and what each gene has of its own.

    Parameters
    ----------
    network : Module
        Maps (b, nodes fed) to (b, g), compiled.
    artifact : CompileArtifact
        Its names.
    own : sequence of str
        Parameters per gene, such as ``"disp"``, the logarithm of the inverse dispersion.
    link : {"proportions", "identity", "probability"}
        What the network's output is turned into.
    """

    def __init__(
        self,
        network: nn.Module,
        artifact: CompileArtifact,
        *,
        own: Sequence[str] = ("disp",),
        link: str = "proportions",
    ) -> None:
        super().__init__()
        self.network, self.artifact, self.link = network, artifact, link
        self._own = tuple(own)
        start = {"disp": 1.0, "dropout_logit": -3.0}
        for name in own:
            values = torch.full((len(artifact.output_names),), start.get(name, 0.0))
            self.register_parameter(name, nn.Parameter(values))

    @property
    def own(self) -> dict[str, Tensor]:
        """Parameters per gene, each (g,)."""
        return {name: getattr(self, name) for name in self._own}

    @property
    def has_baseline(self) -> bool:
        """Whether genes that nothing reaches hang on a node that is always zero."""
        return self.artifact.feature_names[-1] == "(baseline)"

    def scores(self, z: Tensor) -> Tensor:
        """Map z (b, fed) to what the network says (b, g): proportions are the softmax of it."""
        if self.has_baseline:
            z = torch.cat([z, z.new_zeros(len(z), 1)], dim=1)
        y: Tensor = self.network(z)
        return y

    def predict(self, z: Tensor) -> Tensor:
        """Map z (b, fed) to log proportions, means or logits (b, g)."""
        y = self.scores(z)
        return y.log_softmax(1) if self.link == "proportions" else y

    def forward(self, z: Tensor) -> Tensor:
        """Map z (b, fed) to proportions that sum to 1, means, or probabilities (b, g)."""
        y = self.predict(z)
        if self.link == "identity":
            return y
        return y.exp() if self.link == "proportions" else y.sigmoid()


class Encoder(LatentEncoder):
    """Encode states through two dense hidden layers, compiled from a table of edges.

    Parameters
    ----------
    state_dim, hidden_dim, action_dim : int
        Features, nodes of each hidden layer, and latents.

    Examples
    --------
    >>> import torch
    >>> q_z, q_m, q_s = Encoder(state_dim=4, hidden_dim=8, action_dim=2)(torch.ones(3, 4))
    >>> q_m.shape
    torch.Size([3, 2])
    """

    def __init__(self, state_dim: int, hidden_dim: int, action_dim: int) -> None:
        genes, latents = numbered("x", state_dim), numbered("Z", action_dim)
        super().__init__(*dense_encoder(genes, [hidden_dim] * 2, latents, prefix=ENCODER))
        self.apply(weight_init)


class Decoder(GeneDecoder):
    """Decode latents through two dense hidden layers into proportions.

    Parameters
    ----------
    state_dim, hidden_dim, action_dim : int
        Features, nodes of each hidden layer, and latents.

    Attributes
    ----------
    disp : Parameter, shape (state_dim,)
        Logarithm of each feature's inverse dispersion.

    Examples
    --------
    >>> import torch
    >>> Decoder(state_dim=4, hidden_dim=8, action_dim=2)(torch.zeros(3, 2)).shape
    torch.Size([3, 4])
    """

    def __init__(self, state_dim: int, hidden_dim: int, action_dim: int) -> None:
        genes, latents = numbered("x", state_dim), numbered("Z", action_dim)
        super().__init__(*dense_decoder(latents, [hidden_dim] * 2, genes, prefix=DECODER))
        self.apply(weight_init)


def numbered(prefix: str, count: int) -> list[str]:
    """Return ``prefix1``, ``prefix2``, ..."""
    return [f"{prefix}{k + 1}" for k in range(count)]


@torch.no_grad()
def weight_init(module: nn.Module) -> None:
    """Draw a linear layer's weights from Xavier's normal distribution; biases become 0.01.

    Parameters
    ----------
    module : Module
        Linear layers, compiled ones included, are changed; use it as
        ``model.apply(weight_init)``. In a sparse layer an edge counts what its own two nodes have
        as edges, which in a dense one is all.

    Examples
    --------
    >>> from torch import nn
    >>> layer = nn.Linear(2, 1)
    >>> weight_init(layer)
    >>> layer.bias
    Parameter containing:
    tensor([0.0100], requires_grad=True)
    """
    if isinstance(module, nn.Linear):
        nn.init.xavier_normal_(module.weight)
    elif isinstance(module, MaskedLinear):
        arriving = module.crow.diff()[module.row.long()]
        leaving = module.ccol.diff()[module.col.long()]
        sd = (2 / (arriving + leaving)).sqrt()
        drawn = torch.randn(module.n_edges, dtype=sd.dtype, device=sd.device) * sd
        signs = module.sign
        if module.trainable is not None:
            drawn = drawn.index_select(0, module.trainable)
        if signs is not None:
            drawn = torch.where(signs == 0, drawn, drawn.abs())
        module.weight.copy_(drawn)
    else:
        return
    if module.bias is not None:
        module.bias.fill_(0.01)
