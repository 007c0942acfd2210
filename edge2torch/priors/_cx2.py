"""Networks of Cytoscape and NDEx, and hierarchies of cell maps, in CX2 files."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any, Literal

import numpy as np
import pandas as pd

from edge2torch._core.checks import check_choice
from edge2torch._core.messages import listing
from edge2torch.errors import Edge2TorchError
from edge2torch.priors._cx2_file import Item, Network, as_text, read_network
from edge2torch.priors._documents import wrong
from edge2torch.priors._edges import stacked
from edge2torch.priors._network import Weight, network_table, with_weight, without_names
from edge2torch.priors._reach import tidy
from edge2torch.priors._rows import FilePath, bad_line
from edge2torch.priors._signs import known_signs, sign_of

_SCHEMA = "hierarchy_v"  # how the cell-map tools mark a hierarchy
_NAMES_OF_MEMBERS = ("HCX::memberNames", "CD_MemberList")
_MEMBERS = "HCX::members"
_SIGNS = ("sign", "constraint")
_EXACT = 2**53  # beyond it floats skip whole numbers


def read_cx2(
    path: FilePath,
    *,
    names: str = "name",
    signs: Mapping[str, int] | None = None,
    hierarchy: bool | Literal["auto"] = "auto",
    interactome: FilePath | None = None,
    isolated: Literal["error", "drop"] = "drop",
    weight: Weight = "keep",
    quiet: bool = False,
) -> pd.DataFrame:
    r"""Read a network of Cytoscape or NDEx, or a hierarchy of a cell map (HCX).

    Parameters
    ----------
    path : str or path
        A file of CX2, as Cytoscape (Export, Network to File) and NDEx (Download) write it.
    names : str
        The node attribute that nodes are called by. Where it is not ``name``, names are kept as
        ``source_name`` and ``target_name``; ``represents`` is what NDEx and edge2torch write the
        identifier to.
    signs : dict of str to int, optional
        Further words of ``interaction`` and what they say: 1, -1, or 0, beside those of
        :func:`read_sif`. Words that are not known are 0, and counted.
    hierarchy : {"auto", True, False}
        Whether edges lead from a system to its parts, and nodes list their genes: then rows lead
        from part to whole, and from a gene to the lowest systems that have it. ``"auto"`` goes by
        the network's ``ndexSchema``.
    interactome : str or path, optional
        The CX2 file of the network below a hierarchy, for one that lists genes by number alone.
    isolated : {"error", "drop"}
        What becomes of nodes without edges, which an edge table cannot hold.
    weight : {"keep", "start", "drop"}
        What the edges' ``weight`` is to a model: as in :func:`read_edges`.
    quiet : bool
        Print no note.

    Returns
    -------
    DataFrame, one row per edge
        ``source``, ``target``, ``sign`` (by the attribute ``sign`` or ``constraint``, else by
        ``interaction``), ``relation``, and the edges' attributes with the types that the file
        declares, lists joined by ``|`` and last. What has no declared type is text.

    Raises
    ------
    Edge2TorchError
        With file and line for broken JSON; for CX of version 1, a file that is cut short or says that
        writing failed, an id that is there twice, an edge to a node that is not there, a value
        of another type than declared, names that nodes lack or share, and ``weight="start"``
        without weights.

    Examples
    --------
    >>> from pathlib import Path
    >>> _ = Path("net.cx2").write_text('''[{"CXVersion": "2.0", "hasFragments": false},
    ... {"attributeDeclarations": [{"nodes": {"name": {"d": "string"}},
    ...   "edges": {"interaction": {"d": "string"}, "weight": {"d": "double"}}}]},
    ... {"nodes": [{"id": 0, "v": {"name": "TP53"}}, {"id": 1, "v": {"name": "BAX"}}]},
    ... {"edges": [{"id": 0, "s": 0, "t": 1, "v": {"interaction": "activates", "weight": 2}}]},
    ... {"status": [{"success": true}]}]''')
    >>> read_cx2("net.cx2", weight="start")
    [edge2torch] Note: net.cx2: 1 edge, 1 positive and 0 negative; called otherwise: 'weight' -> 'initial_weight'.
      source target  sign   relation  initial_weight
    0   TP53    BAX     1  activates             2.0
    """
    check_choice("isolated", isolated, ("error", "drop"))
    if hierarchy not in (True, False, "auto") or not isinstance(hierarchy, bool | str):
        raise Edge2TorchError(f"hierarchy must be True, False or 'auto', found {hierarchy!r}.")
    known = known_signs(signs)
    network = read_network(path)
    is_tree = (
        str(network.about.get("ndexSchema", "")).startswith(_SCHEMA)
        if hierarchy == "auto"
        else hierarchy
    )
    members = _members(network, interactome) if is_tree else {}
    used = {end for edge in network.edges for end in edge.ends} | {n for n in members if members[n]}
    if not used:
        raise bad_line(network.path, 1, "the file holds no edges.")
    called = _called(network, names, used)
    frame, words = _table(network, called, known, turned=is_tree)
    frame, of_weight = with_weight(frame, weight, network.path)
    words += of_weight
    if is_tree:
        frame, words = _with_genes(network, frame, called, members)
    if names != "name":
        named = {called[n]: network.nodes[n].values.get("name") for n in called}
        labels = {name: as_text(label) for name, label in named.items() if label is not None}
        for end in ("source", "target"):
            frame[f"{end}_name"] = frame[end].map(labels).astype(object)
        frame = without_names(frame)
    alone = [_plain_name(node, names) for n, node in network.nodes.items() if n not in used]
    if alone and isolated == "error":
        raise wrong(
            network.path,
            "nodes",
            f"{len(alone):,} have no edges, and an edge table cannot hold them: {listing(alone)}. "
            "Use isolated='drop' to leave them out.",
        )
    return network_table(
        network.path, frame, {"node(s) without edges": len(alone)}, further=words, quiet=quiet
    )


def _plain_name(node: Item, names: str) -> str:
    value = node.values.get(names)
    return str(node.number) if value is None else as_text(value)


def _called(network: Network, names: str, used: set[int]) -> dict[int, str]:
    """Return what the nodes with edges are called, each in its own way."""
    called = {
        number: as_text(value).strip()
        for number, node in network.nodes.items()
        if number in used and (value := node.values.get(names)) is not None
    }
    nameless = [n for n in network.nodes if n in used and not called.get(n)]
    times = Counter(called.values())
    doubled = [n for n, name in called.items() if times[name] > 1]
    if not nameless and not doubled:
        return called
    what = (
        f"{len(nameless):,} node(s) have no {names!r}" if nameless else f"nodes share a {names!r}"
    )
    shown = (
        listing(nameless)
        if nameless
        else ", ".join(f"{called[n]!r} (id {n})" for n in doubled[:5])
        + (f" and {len(doubled) - 5:,} more" if len(doubled) > 5 else "")
    )
    texts = [name for name, kind in network.types["nodes"].items() if kind in ("string", "")]
    usual = [name for name in ("represents", "name", "shared name") if name in texts]
    others = [name for name in (*usual, *texts) if _tells_apart(network, name, used)]
    advice = f" names={others[0]!r} tells them apart." if others else ""
    if nameless and len(nameless) == len(used):
        advice = f" There are {listing(network.types['nodes'], 12)}." + advice
    raise wrong(network.path, "nodes", f"{what}: {shown}.{advice}")


def _tells_apart(network: Network, name: str, used: set[int]) -> bool:
    values = [network.nodes[number].values.get(name) for number in used]
    return None not in values and len(set(map(str, values))) == len(values)


def _table(
    network: Network, called: dict[int, str], known: Mapping[str, int], *, turned: bool
) -> tuple[pd.DataFrame, list[str]]:
    """Return a row per edge with all attributes, and what is to be said of them."""
    types, edges = network.types["edges"], network.edges
    ends = [edge.ends[::-1] if turned else edge.ends for edge in edges]
    columns = {
        name: _column([edge.values.get(name) for edge in edges], types[name])
        for name in sorted(types, key=lambda name: types[name].startswith("list_of_"))
    }
    words = [edge.values.get("interaction") for edge in edges]
    relation, interaction = (
        columns.pop(name).map(as_text, na_action="ignore").astype(object)
        if name in columns
        else None
        for name in ("relation", "interaction")
    )
    if relation is None:
        relation = interaction
    elif interaction is not None and not relation.equals(interaction):
        columns["interaction"] = interaction
    by = next((name for name in _SIGNS if name in columns), None)
    if by is not None:
        words = columns[by].tolist()
    sign, unknown = _signs(words, known)
    columns.pop("sign", None)
    table: dict[str, Any] = {
        "source": [called[source] for source, _ in ends],
        "target": [called[target] for _, target in ends],
        "sign": pd.Series(sign, dtype="int64"),
        "relation": relation
        if relation is not None
        else pd.Series([None] * len(edges), dtype=object),
    }
    taken = {*table, "source_name", "target_name"}
    renamed = {name: _free(name, {*taken, *columns}) for name in columns if name in taken}
    frame = pd.DataFrame({**table, **{renamed.get(name, name): columns[name] for name in columns}})
    said = []
    if unknown and not turned:
        shown = ", ".join(f"{word!r} ({count:,})" for word, count in unknown.most_common(5))
        more = f" and {len(unknown) - 5:,} more" if len(unknown) > 5 else ""
        said.append(f"without a known sign, now 0: {shown}{more}")
    if free := sum(edge.values.get("directed") is False for edge in edges):
        said.append(
            f"{free:,} are marked as undirected and lead from first to second node all the same"
        )
    if about_nodes := [name for name in network.types["nodes"] if name != "name"]:
        said.append(f"attributes of nodes are not in the table: {listing(about_nodes)}")
    if undeclared := [name for name, kind in types.items() if not kind]:
        said.append(f"without a declared type, read as text: {listing(undeclared)}")
    if renamed:
        said.append(f"called otherwise: {listing(renamed.items())}")
    return frame, said


def _free(name: str, taken: set[str]) -> str:
    while name in taken:
        name += "_"
    return name


def _signs(words: list[Any], known: Mapping[str, int]) -> tuple[list[int], Counter[str]]:
    """Return what words and numbers say, and words that say nothing, counted."""
    signs, unknown = [], Counter[str]()
    for word in words:
        if isinstance(word, float | int) and not isinstance(word, bool):
            signs.append(0 if np.isnan(word) else int(np.sign(word)))
            continue
        text = "" if word is None else as_text(word).strip()
        sign = sign_of(text, known)
        if sign is None and text:
            unknown[text] += 1
        signs.append(sign or 0)
    return signs, unknown


def _column(values: list[Any], kind: str) -> pd.Series:
    """Return values as a column; numbers of which some are missing are floats, if floats hold them."""
    missing = any(value is None for value in values)
    if kind == "double":
        return pd.Series(values, dtype="float64")
    if kind in ("integer", "long"):
        present = [abs(value) for value in values if value is not None]
        if not missing and max(present, default=0) < 2**63:
            return pd.Series(values, dtype="int64")
        if max(present, default=0) <= _EXACT:
            return pd.Series(values, dtype="float64")
    if kind == "boolean" and not missing:
        return pd.Series(values, dtype=bool)
    texts = [as_text(value) if isinstance(value, tuple) else value for value in values]
    return pd.Series(texts, dtype=object)


# ------------------------------------------------------------------------------ hierarchies


def _members(network: Network, interactome: FilePath | None) -> dict[int, list[str]]:
    """Return the genes that every system lists, all that lie below it."""
    there = [name for name in _NAMES_OF_MEMBERS if _has(network, name)]
    if there:
        return {
            number: next(
                (_listed(node.values[name]) for name in there if node.values.get(name)), []
            )
            for number, node in network.nodes.items()
        }
    if not _has(network, _MEMBERS):
        return {}
    if interactome is None:
        raise wrong(
            network.path,
            "nodes",
            f"genes are listed by number alone ({_MEMBERS}). Give interactome=, the CX2 file of the "
            f"network below, {network.about.get('HCX::interactionNetworkName') or 'which names them'}.",
        )
    below = read_network(interactome)
    names = {str(number): node.values.get("name") for number, node in below.nodes.items()}
    found: dict[int, list[str]] = {}
    for number, node in network.nodes.items():
        ids = _listed(node.values.get(_MEMBERS) or ())
        if unknown := [one for one in ids if not names.get(one)]:
            raise wrong(
                network.path,
                f"node {number}",
                f"{len(unknown):,} member(s) are not named in {below.path.name}: {listing(unknown)}.",
            )
        found[number] = [str(names[one]).strip() for one in ids]
    return found


def _has(network: Network, name: str) -> bool:
    return any(node.values.get(name) for node in network.nodes.values())


def _listed(given: Any) -> list[str]:
    """Return the genes of a list, or of a text with blanks or commas between them."""
    words = (
        [as_text(word).strip() for word in given]
        if isinstance(given, tuple)
        else as_text(given).replace(",", " ").split()
    )
    return list(dict.fromkeys(filter(None, words)))


def _with_genes(
    network: Network, frame: pd.DataFrame, called: dict[int, str], members: dict[int, list[str]]
) -> tuple[pd.DataFrame, list[str]]:
    """Add a row from every gene to the lowest systems that have it."""
    below: dict[int, set[str]] = {}
    for edge in network.edges:
        parent, child = edge.ends
        below.setdefault(parent, set()).update(members.get(child, ()))
    pairs = [
        (gene, called[number])
        for number, genes in members.items()
        for gene in genes
        if gene not in below.get(number, ())
    ]
    genes = list(dict.fromkeys(gene for gene, _ in pairs))
    if shared := sorted({*called.values()}.intersection(genes)):
        raise wrong(network.path, "nodes", f"system(s) bear the name of a gene: {listing(shared)}.")
    rows = pd.DataFrame(pairs, columns=["source", "target"])
    both = stacked([frame, rows.assign(sign=0, relation="member")])
    words = (
        f"a hierarchy, from part to whole: {len(called):,} systems with {len(frame):,} relations, "
        f"{len(genes):,} genes with {len(pairs):,} direct memberships"
    )
    return tidy(both, frame)[[*frame.columns]], [words]
