"""What an alignment used, filled in and left out."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape

from edge2torch._core.messages import listing


@dataclass(frozen=True, repr=False)
class AlignmentReport:
    """What an alignment used, filled in and left out.

    Parameters
    ----------
    source : str
        Where the values came from, such as ``"DataFrame"`` or ``"AnnData.layers['counts']"``.
    n_samples : int
        Rows of the tensor.
    n_inputs : int
        Columns of the tensor: the model's input nodes.
    missing : tuple of str
        Input nodes that the data does not have, in model order.
    fill_value : float or None
        What they were filled with; ``None`` when nothing was missing.
    extra : tuple of str
        Columns of the data that are no input node and were not used, in the data's order.

    Examples
    --------
    >>> from edge2torch.data import AlignmentReport
    >>> AlignmentReport("DataFrame", 200, 3, missing=("g7",), fill_value=0.0, extra=("age", "sex"))
    AlignmentReport: 200 sample(s), 2 of 3 input node(s) found in the DataFrame
      filled with 0.0 (1): 'g7'
      not used (2): 'age', 'sex'
    """

    source: str
    n_samples: int
    n_inputs: int
    missing: tuple[str, ...] = ()
    fill_value: float | None = None
    extra: tuple[str, ...] = ()

    @property
    def n_found(self) -> int:
        """Number of input nodes whose values came from the data."""
        return self.n_inputs - len(self.missing)

    def __repr__(self) -> str:
        found = f"{self.n_found} of {self.n_inputs} input node(s) found in the {self.source}"
        lines = [f"AlignmentReport: {self.n_samples} sample(s), {found}"]
        if self.missing:
            lines.append(
                f"  filled with {self.fill_value} ({len(self.missing)}): {listing(self.missing)}"
            )
        if self.extra:
            lines.append(f"  not used ({len(self.extra)}): {listing(self.extra)}")
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        head, *lines = repr(self).splitlines()
        rows = "".join(f"<li>{escape(line.strip())}</li>" for line in lines)
        return f"<div>{escape(head)}{f'<ul>{rows}</ul>' if rows else ''}</div>"
