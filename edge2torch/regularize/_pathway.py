"""Nodes of one pathway behave alike: a penalty on the values inside a model."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any, Literal, cast

import torch
from torch import Tensor, nn

from edge2torch._core.checks import check_choice, check_number
from edge2torch.compile import CompileArtifact, find_artifact
from edge2torch.errors import Edge2TorchError
from edge2torch.regularize._forms import apart, contrastive, correlations, node_features
from edge2torch.regularize._membership import Membership, read_membership, read_pairs
from edge2torch.regularize._recorder import Recorder

_FEWEST_TO_CHOOSE = 2  # pathways
_CHOICES = {"form": ("contrastive", "correlation"), "align": ("channel", "cka")}


class PathwayLatentRegularizer(nn.Module):
    """Draw the values of nodes in one pathway together, over the samples of a batch.

    ``form="contrastive"`` asks of every node: is your pathway, without you, more like you than
    the other pathways are? A node's likeness is the cosine of its centred values over the batch,
    all channels and sites. ``form="correlation"`` is the published loss, kept for comparison:
    it does not tell a true membership from a shuffled one.

    Parameters
    ----------
    model : Module
        A compiled model of any backend, customized or wrapped or neither.
    pathway_membership : dict, path of a GMT file, DataFrame or array (pathways, nodes)
        Nodes by pathway. Pathways may overlap; numbers between 0 and 1 are soft membership. The
        columns of an array stand for :attr:`node_names`.
    dissim_pairs : iterable of (pathway, pathway), optional
        Pathways that ``lambda_dis`` keeps apart.
    lambda_sim, lambda_dis : float
        Weights of the two losses.
    phi : {"mean", "learned"} or Module, optional
        Reduces a node's channels to one number, (..., c) to (..., 1) or (...). Left out: all
        channels are compared one by one, and ``form="correlation"`` takes their mean.
    artifact : CompileArtifact, optional
        What :func:`compile_graph` returned with the model; by default the one that it carries.
    form : {"contrastive", "correlation"}
        See above.
    align : {"channel", "cka"}
        Compare nodes channel by channel, or by centred kernel alignment of their values, which
        does not ask which channel is which. It holds (nodes, batch, batch) numbers.
    temperature : float
        Of the contrastive form.
    missing : {"error", "ignore"}
        What to do with names in pathway_membership that have no values inside the model.

    Attributes
    ----------
    membership : DataFrame
        (pathways, nodes).
    node_names : list of str
        The nodes that have values inside the model.

    Raises
    ------
    Edge2TorchError
        For unknown names, empty pathways, and options that do not exist.

    Examples
    --------
    >>> import pandas as pd, torch
    >>> import edge2torch as e2t
    >>> from edge2torch.regularize import PathwayLatentRegularizer
    >>> edges = pd.DataFrame({"source": ["g1", "g2", "a", "b"], "target": ["a", "b", "y", "y"]})
    >>> model, artifact = e2t.compile_graph(edges, backend="gnn", quiet=True)
    >>> regularizer = PathwayLatentRegularizer(
    ...     model, {"p": ["a"], "q": ["a", "b"]}, lambda_sim=0.3, artifact=artifact)
    >>> x = torch.randn(16, 2)
    >>> task = model(x).square().mean()
    >>> similar, dissimilar = regularizer.loss()
    >>> (task + similar + dissimilar).backward()

    References
    ----------
    Contrastive loss: van den Oord et al. 2018, doi:10.48550/arXiv.1807.03748. Linear CKA:
    Kornblith et al. 2019, doi:10.48550/arXiv.1905.00414.
    """

    _matrix: Tensor
    _pairs: Tensor

    def __init__(
        self,
        model: nn.Module,
        pathway_membership: Membership,
        dissim_pairs: Iterable[tuple[str, str]] | None = None,
        lambda_sim: float = 0.1,
        lambda_dis: float = 0.0,
        phi: Literal["mean", "learned"] | nn.Module | None = None,
        *,
        artifact: CompileArtifact | None = None,
        form: Literal["contrastive", "correlation"] = "contrastive",
        align: Literal["channel", "cka"] = "channel",
        temperature: float = 0.2,
        missing: Literal["error", "ignore"] = "error",
    ) -> None:
        super().__init__()
        for argument, value in (("form", form), ("align", align)):
            check_choice(argument, value, _CHOICES[argument])
        self.temperature = check_number("temperature", temperature, above=0)
        self.lambda_sim = check_number("lambda_sim", lambda_sim, least=0)
        self.lambda_dis = check_number("lambda_dis", lambda_dis, least=0)
        self.form, self.align = form, align
        artifact = find_artifact(model, artifact)
        # held outside the module tree: the model's parameters are not this module's
        self._held = {"model": model, "recorder": Recorder(model, artifact)}
        self.node_names = list(self._recorder.nodes)
        ends = dict.fromkeys(artifact.output_names, "an output, which has no latent values")
        ends |= dict.fromkeys(artifact.feature_names, "an input, whose values are the data's")
        self.membership = read_membership(
            pathway_membership, self.node_names, not_here=ends, missing=missing
        )
        if form == "contrastive" and len(self.membership) < _FEWEST_TO_CHOOSE:
            raise Edge2TorchError(
                f"pathway_membership holds one pathway, {self.membership.index[0]!r}: the "
                "contrastive form asks which of several a node is most like. Name the others too, "
                "or take form='correlation'."
            )
        pairs = read_pairs(dissim_pairs, list(self.membership.index))
        if self.lambda_dis and not len(pairs):
            raise Edge2TorchError(
                "lambda_dis keeps the pathways of dissim_pairs apart, and there are none. Give "
                "dissim_pairs, for example all of itertools.combinations(pathways, 2)."
            )
        like = next(model.parameters(), torch.zeros(0))
        matrix = torch.from_numpy(self.membership.to_numpy(copy=True)).to(like)
        self.register_buffer("_matrix", matrix, persistent=False)
        self.register_buffer("_pairs", torch.tensor(pairs, device=like.device), persistent=False)
        self.phi = self._read_phi(phi, like)
        self._recorder.attach()

    @property
    def _recorder(self) -> Recorder:
        return cast(Recorder, self._held["recorder"])

    def _read_phi(self, phi: Any, like: Tensor) -> nn.Module | None:
        if phi is None and self.form == "correlation":
            return _Mean()
        if phi is None or isinstance(phi, nn.Module):
            return phi
        channels = getattr(self._recorder.base, "channels", 1)
        if phi == "mean":
            return _Mean()
        if phi == "learned":
            return nn.Linear(channels, 1, bias=False).to(like)
        raise Edge2TorchError(f"phi must be 'mean', 'learned' or a Module, found {phi!r}.")

    def loss(self, x: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Return (L_sim, L_dis), to be added to a model's own loss.

        Parameters
        ----------
        x : Tensor, shape (b, i), optional
            Samples to run the model on. Left out: its last forward pass is used.

        Returns
        -------
        (Tensor, Tensor)
            Scalars with gradients; zeros while disabled.
        """
        if not self._recorder._handles:
            return self._matrix.new_zeros(()), self._matrix.new_zeros(())
        if x is not None:
            cast(nn.Module, self._held["model"])(x)
        values = self._recorder.values()
        if self.phi is not None:
            reduced = self.phi(values)
            values = reduced if reduced.dim() == values.dim() else reduced.unsqueeze(-1)
        if values.shape[1] < 2:
            raise Edge2TorchError(
                f"The regularizer compares nodes over a batch; found {values.shape[1]} sample(s)."
            )
        similar = self._correlation if self.form == "correlation" else self._contrastive
        return similar(values)

    forward = loss

    def _contrastive(self, values: Tensor) -> tuple[Tensor, Tensor]:
        features = node_features(values, self.align)
        matrix = self._matrix.to(features)
        similar = self.lambda_sim * contrastive(features, matrix, self.temperature)
        if not len(self._pairs):
            return similar, similar.new_zeros(())
        return similar, self.lambda_dis * apart(features, matrix, self._pairs)

    def _correlation(self, values: Tensor) -> tuple[Tensor, Tensor]:
        matrix = self._matrix.to(values)
        nodes, pathways = correlations(values.mean(-1), matrix)
        agreement = (nodes * matrix.t()).sum((1, 2)) / matrix.sum()
        similar = -self.lambda_sim * agreement.mean()
        if not len(self._pairs):
            return similar, similar.new_zeros(())
        between = pathways[:, self._pairs[:, 0], self._pairs[:, 1]]
        return similar, self.lambda_dis * between.square().mean()

    def disable(self) -> None:
        """Stop watching the model; :meth:`loss` is zero from now on."""
        self._recorder.detach()

    def enable(self) -> None:
        """Watch the model again."""
        self._recorder.attach()

    @contextmanager
    def disabled(self) -> Iterator[None]:
        """Return a context in which the model is not watched, and :meth:`loss` is zero."""
        was_on = bool(self._recorder._handles)
        self.disable()
        try:
            yield
        finally:
            if was_on:
                self.enable()

    def __enter__(self) -> PathwayLatentRegularizer:
        return self

    def __exit__(self, *_: object) -> None:
        self.disable()


class _Mean(nn.Module):
    """The mean of a node's channels."""

    def forward(self, x: Tensor) -> Tensor:
        return x.mean(-1, keepdim=True)
