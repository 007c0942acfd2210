"""A file of prior knowledge of any kind: which reader takes it, and what that reader can be asked."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from edge2torch._core.console import Console
from edge2torch._core.messages import listing
from edge2torch._core.packed import opened, plain_suffix
from edge2torch._core.tables import existing_file, read_table
from edge2torch.errors import Edge2TorchError
from edge2torch.priors._cx2 import read_cx2
from edge2torch.priors._gmt import read_gmt
from edge2torch.priors._gocam import read_gocam
from edge2torch.priors._gpml import read_gpml
from edge2torch.priors._kgml import read_kgml
from edge2torch.priors._networkx import read_graphml
from edge2torch.priors._obo import read_obo
from edge2torch.priors._omnipath import read_omnipath
from edge2torch.priors._reactome import read_reactome
from edge2torch.priors._sbml_qual import read_sbml_qual
from edge2torch.priors._sif import read_sif
from edge2torch.priors._tables import read_edges

READERS: dict[str, Callable[..., pd.DataFrame]] = {
    "gmt": read_gmt, "reactome": read_reactome, "obo": read_obo, "sif": read_sif,
    "omnipath": read_omnipath, "graphml": read_graphml, "cx2": read_cx2, "kgml": read_kgml,
    "gpml": read_gpml, "sbml_qual": read_sbml_qual, "gocam": read_gocam, "edges": read_edges,
}  # fmt: skip
BY_SUFFIX = {
    ".gmt": "gmt", ".obo": "obo", ".sif": "sif", ".graphml": "graphml", ".cx2": "cx2", ".hcx": "cx2",
    ".kgml": "kgml", ".gpml": "gpml", ".sbml": "sbml_qual", ".json": "gocam",
}  # fmt: skip
_BY_ROOT = {  # of a file called .xml
    "pathway": "kgml", "Pathway": "gpml", "sbml": "sbml_qual", "graphml": "graphml",
}  # fmt: skip
_SIGNS = ("1", "+1", "0", "-1")
_HEAD = 20_000  # bytes; comments and a licence may stand before the first element
_NO_ROOT = re.compile(r"<!--.*?-->|<[?!][^>]*>", re.DOTALL)
_ROOT = re.compile(r"<(?:[\w.-]+:)?([\w.-]+)")
# Here `names` says what nodes are called beside their name, elsewhere what they are called by.
_OTHER_NAMES = ("graphml", "kgml")


def takes(kind: str, option: str) -> bool:
    """Say whether the reader of a kind has an option."""
    if option == "names" and kind in _OTHER_NAMES:
        return False
    return option in inspect.signature(READERS[kind]).parameters


def read_prior(path: Path, kind: str, options: Mapping[str, Any], console: Console) -> pd.DataFrame:
    """Read a file by its kind, of :data:`READERS`, or ``"auto"``: by its ending and what it holds.

    An option of another kind is refused, not ignored; the console is told where the choice may surprise.
    """
    existing_file(path, "FILE")
    options = dict(options)
    if "=" in str(options.get("signs", "")):
        options["signs"] = _signs(options["signs"])
    if kind == "auto":
        kind = "reactome" if "members" in options else kind_of(path)
        if kind == "edges" and not options and _has_flags(path):
            kind = "omnipath"
            console.say(
                f"{path.name} has columns of stimulation and inhibition: read as omnipath "
                "(kind='edges' takes them as they are)."
            )
    for name in options:
        if not takes(kind, name):
            of = [other for other in READERS if takes(other, name)]
            raise Edge2TorchError(
                f"{name}= is for {' and '.join(of)}, but {path.name!r} is read as {kind}. "
                f"Leave {name}= out, or give kind={of[0]!r}."
            )
    if kind == "reactome" and "members" not in options:
        raise Edge2TorchError("Reactome needs members=, the map from genes or proteins.")
    of_files = ("members", "names") if kind == "reactome" else ("annotations",)
    for name in set(of_files) & set(options):
        existing_file(Path(options[name]), name)
    if kind in ("cx2", "edges") and isinstance(options.get("signs"), str):
        raise Edge2TorchError(
            f"signs= for {kind} says what words mean, as 'binds=0,blocks=-1'; found {options['signs']!r}."
        )
    if kind in ("cx2", "graphml"):  # what is written has to compile; a table may be mended by hand
        options.setdefault("weight", "drop")
    return READERS[kind](path, **options, quiet=console.quiet)


def _signs(text: str) -> dict[str, int]:
    """Return what words mean, of ``binds=0,blocks=-1``."""
    words = [part.rpartition("=")[::2] for part in text.split(",")]
    if wrong := [sign for word, sign in words if not word or sign not in _SIGNS]:
        raise Edge2TorchError(
            f"signs says what words mean by 1, -1 or 0, as 'binds=0,blocks=-1'; it does not for "
            f"{listing(wrong)}."
        )
    return {word.strip(): int(sign) for word, sign in words}


def kind_of(path: Path) -> str:
    """Tell a format by the ending, and one of XML by its first element."""
    suffix = plain_suffix(path)
    if suffix != ".xml":
        return BY_SUFFIX.get(suffix, "edges")
    with opened(path) as stream:
        head = stream.read(_HEAD).decode("utf-8", "replace")
    found = _ROOT.search(_NO_ROOT.sub("", head))
    if found is None or found[1] not in _BY_ROOT:
        raise Edge2TorchError(
            f"{path.name!r}: XML of which kind? Say it with kind=: {listing(_BY_ROOT.values())}."
        )
    return _BY_ROOT[found[1]]


def _has_flags(path: Path) -> bool:
    """Say whether a table's header is that of OmniPath or LEMBAS."""
    if plain_suffix(path) not in (".csv", ".tsv", ".tab", ".txt"):
        return False
    try:
        header = read_table(path, n_rows=0).columns
    except Edge2TorchError:  # the reader of edges will say what is wrong, and on which line
        return False
    names = {str(name).lower().removeprefix("is_") for name in header}
    return names >= {"source", "target", "stimulation", "inhibition"}


def signs_as_constraints(edges: pd.DataFrame) -> pd.DataFrame:
    """Write signs as constraints; an edge that has one already keeps it."""
    if "sign" not in edges:
        raise Edge2TorchError(
            "hold_signs= needs edges with signs: SIF, OmniPath, or a table with sign=."
        )
    held = edges["sign"].map({1: "positive", -1: "negative"}).astype(object)
    if "constraint" in edges:
        held = edges["constraint"].where(edges["constraint"].notna(), held)
    return edges.assign(constraint=held.where(held.notna(), None))
