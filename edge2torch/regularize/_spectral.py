"""Keep the cycles of a recurrent model from running away."""

from __future__ import annotations

from torch import Tensor, nn

from edge2torch._core.checks import check_flag, check_number
from edge2torch.nn import spectral_radius


class SpectralRadiusPenalty(nn.Module):
    """A penalty on the spectral radius of a recurrent model beyond a limit.

    ``weight * max(radius - limit, 0) ** 2``: nothing while the model settles by itself.

    Parameters
    ----------
    model : Module
        A model of ``backend="recurrent"``, customized or not. Its parameters stay its own.
    limit : float
        The radius that costs nothing.
    weight : float
        Factor of the penalty.
    signed : bool
        The radius of the weights, or that of their absolute values, which is an upper bound.

    Raises
    ------
    Edge2TorchError
        For a limit or a weight that is not positive, and for a model of another backend.

    References
    ----------
    Nilsson et al. 2022, Nature Communications 13:3069, doi:10.1038/s41467-022-30684-y.

    Examples
    --------
    >>> import pandas as pd
    >>> import edge2torch as e2t
    >>> edges = pd.DataFrame({"source": ["u", "a", "a"], "target": ["a", "a", "y"],
    ...                       "initial_weight": [1.0, 1.5, 1.0]})
    >>> model, _ = e2t.compile_graph(edges, backend="recurrent", steps=3, quiet=True)
    >>> round(SpectralRadiusPenalty(model, limit=0.5)().item(), 4)
    1.0
    """

    def __init__(
        self, model: nn.Module, *, limit: float = 0.9, weight: float = 1.0, signed: bool = True
    ) -> None:
        super().__init__()
        self._model = (model,)  # a tuple hides the parameters, which are the model's
        self.limit = check_number("limit", limit, above=0)
        self.weight = check_number("weight", weight, above=0)
        self.signed = check_flag("signed", signed)
        self.radius()

    def radius(self) -> Tensor:
        """Return the radius as it is now, differentiable."""
        return spectral_radius(self._model[0], signed=self.signed)

    def forward(self) -> Tensor:
        """Return the penalty as it is now."""
        return self.weight * (self.radius() - self.limit).clamp_min(0) ** 2
