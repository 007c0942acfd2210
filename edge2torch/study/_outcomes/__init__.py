"""What a study can predict: a row for each kind of outcome, which is one file."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from edge2torch.study._outcomes._outcome import Outcome

# ``task=`` by the module whose OUTCOME it is, in the order in which they are asked whether a label is
# theirs. Loaded when first asked for: the command line's --help needs the names and no torch.
OUTCOMES: dict[str, str] = {
    "classification": "edge2torch.study._outcomes._classes",
    "regression": "edge2torch.study._outcomes._numbers",
    "survival": "edge2torch.study._outcomes._survival",
}


def outcome_of(task: str) -> Outcome:
    """Return the outcome of a name."""
    found: Outcome = importlib.import_module(OUTCOMES[task]).OUTCOME
    return found
