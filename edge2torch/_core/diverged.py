"""A state without end, before anybody knows the names of its nodes."""

from __future__ import annotations

from edge2torch.errors import Edge2TorchError


class DivergedError(Edge2TorchError):
    """The state left the finite numbers.

    Parameters
    ----------
    message : str
        What to say where names are not known.
    nodes, samples : list of int
        Numbers of those concerned, of the nodes that are computed and of the batch.
    update : int
        In which update.
    """

    def __init__(self, message: str, nodes: list[int], samples: list[int], update: int) -> None:
        super().__init__(message)
        self.nodes, self.samples, self.update = nodes, samples, update

    def __reduce__(self) -> tuple[object, ...]:
        return DivergedError, (str(self), self.nodes, self.samples, self.update)
