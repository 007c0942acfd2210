"""The codes that plans and layers keep for the column ``constraint``."""

from __future__ import annotations

from typing import Any

FREE, POSITIVE, NEGATIVE, FIXED = 0, 1, -1, 2
BY_NAME = {"unconstrained": FREE, "positive": POSITIVE, "negative": NEGATIVE, "fixed": FIXED}


def is_signed(codes: Any) -> Any:
    """Tell, for an array or tensor of codes, where a weight is held to one sign."""
    return abs(codes) == 1  # a signed code is the sign itself, and FIXED is 2
