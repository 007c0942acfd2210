"""Columns of a table: which are no features of samples, by their name; and the numbers of one."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

# Compared with a name in small letters, its words joined by "_".
_METADATA = re.compile(
    r"(log1p_)?(n|num|total|nr)_(counts?|genes?|umis?|features?|reads|cells|peaks|molecules)(_.+)?"
    r"|(n_count|n_feature|pct|percent|percentage|frac|fraction)_.+"
    r"|(library|lib)_size|size_factors?|(sequencing_)?depth|read_depth|(doublet|s|g2m)_scores?"
    r"|(age|height|weight)(_.+)?|sex|gender|bmi|ethnicity|race|smoking|smoker|pmi|rin|ph"
    r"|sum|totals?|counts?|detected|(un)?mapped|(subsets|altexps)_.+|treatment(_.+)?|vital(_status)?"
    r"|(.+_)?codes?"
    r"|batch|batches|lane|plate|well|run|chip|site|center|centre|replicate|pool|flowcell|slide"
    r"|date|year|month|day|days|hour|hours|time|time_?point|pseudotime|dose|passage"
    r"|stage|grade|status|event|survival|follow_up|(os|pfs|dfs|survival)_(time|days|months|status|event)"
    r"|leiden|louvain|clusters?|(x_)?(umap|tsne|pca?)_?\d+|fold|split|set"
)
_ID = re.compile(
    r"(.+_)?(ids?|uuid|barcodes?|index|idx|accession|eid|mrn)"
    r"|(sample|cell|patient|donor|subject|individual|participant|case|spot|row|obs|observation)"
    r"_?(ids?|names?|nr|no|number)?"
)

# Of whole numbers: codes, or amounts. The last such word of a name counts, as in "age_group".
_CODED = re.compile(
    r"batch(es)?|plate|run|lane|site|cent(er|re)|hospital|donor|subject|patient|individual"
    r"|participant|replicate|pool|flowcell|slide|chip|well|cohort|group|cluster|litter|cage|family"
    r"|operator|technician|id"
)
_MEASURED = re.compile(
    r"age|bmi|score|dose|time|rin|weight|height|pmi|depth|hours|days|weeks|months|years|size|counts?"
    r"|length|concentration|percent|pct|ph|temperature"
)
# Words of the above that are also symbols of genes of man and, as "Set", of mouse
_SYMBOLS = {"SET", "IDS", "MAX"}


def gene_symbols(names: Iterable[object]) -> set[str]:
    """Names that may be words of metadata, and are genes written as most of the others are."""
    words = [str(name) for name in names]
    cases = Counter(map(_case, words))
    return {
        name
        for name in words
        if name.upper() in _SYMBOLS and _case(name) and 2 * cases[_case(name)] > len(words)
    }


def _case(name: str) -> str:
    """How a symbol is written: as of man (``TP53``), as of mouse (``Trp53``), or otherwise."""
    if name.isupper():
        return "upper"
    return "title" if name[:1].isupper() and name[1:].islower() else ""


def like_metadata(name: object) -> bool:
    """Whether a column is called like something known of samples: an age, a batch, a depth."""
    return _METADATA.fullmatch(_plain(name)) is not None


def like_an_id(name: object) -> bool:
    """Whether a column is called like an id of samples."""
    return _ID.fullmatch(_plain(name)) is not None


def codes_by_name(name: object) -> bool | None:
    """Whether whole numbers of this name are codes (of batches, donors), or amounts; None: unclear."""
    for word in reversed(_plain(name).split("_")):
        plain = word.rstrip("0123456789")
        if _CODED.fullmatch(plain):
            return True
        if _MEASURED.fullmatch(plain):
            return False
    return None


def date_by_name(name: object) -> bool:
    """Whether a column is called a date."""
    return "date" in _plain(name).split("_")


def _plain(name: object) -> str:
    """Turn ``nCount_RNA`` and ``percent.mt`` into ``n_count_rna`` and ``percent_mt``."""
    apart = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", str(name))
    return re.sub(r"[^a-z0-9]+", "_", apart.lower()).strip("_")


def numbers_of(column: pd.Series) -> NDArray[np.float64]:
    """Return the numbers of a column, NaN for what is none: blanks, words, dates, complex numbers."""
    if column.dtype.kind in "mMc":  # pandas makes nanoseconds of dates
        return np.full(len(column), np.nan)
    try:
        found = pd.to_numeric(column, errors="coerce")
        if found.dtype.kind == "c":  # one complex number makes all so
            raise OverflowError
    except OverflowError:  # a whole number of hundreds of digits, which "coerce" does not take
        found = column.map(_number).astype(np.float64)
    return found.to_numpy(np.float64, na_value=np.nan)


def _number(value: Any) -> float:
    if isinstance(value, complex | np.complexfloating):
        return np.nan
    try:
        return float(value) if "_" not in str(value) else np.nan
    except OverflowError:
        return np.inf
    except (TypeError, ValueError):
        return np.nan
