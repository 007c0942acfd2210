"""``Prior``: an edge table and the steps that fitted it to data; ``prepare_prior``, all in one call."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import pandas as pd

from edge2torch._core.checks import check_choice, check_count
from edge2torch._core.edges import EdgesLike, edge_frame
from edge2torch._core.messages import listing
from edge2torch.errors import Edge2TorchError
from edge2torch.priors._between import keep_between
from edge2torch.priors._cycles import break_cycles, refuse_cycles
from edge2torch.priors._edges import as_names, numbered
from edge2torch.priors._ends import add_latent, add_root, connect_outputs, union_edges
from edge2torch.priors._hierarchy import collapse_chains, cut_depth, limit_layers
from edge2torch.priors._nodes import add_data_types, map_identifiers
from edge2torch.priors._report import PriorReport, StepReport, sizes
from edge2torch.priors._rows import Pairs
from edge2torch.priors._sets import filter_sets, merge_identical, propagate_memberships

_STEPS = (
    add_data_types, add_latent, add_root, break_cycles, collapse_chains, connect_outputs, cut_depth,
    filter_sets, keep_between, limit_layers, map_identifiers, merge_identical,
    propagate_memberships, union_edges,
)  # fmt: skip
Cycles = Literal["keep", "break", "error"]


@dataclass(frozen=True, repr=False, eq=False)
class Prior:
    """A prior graph that is fitted to data step by step, and says what every step did.

    Its methods are the steps: the functions of :mod:`edge2torch.priors` by the same names, with the
    same arguments, where they are described. A step is taken at once and returns a new prior, which
    remembers the features and outputs that were named: later steps leave those outputs in place, and
    ``keep_between()`` without arguments cuts loose ends.

    A prior stands wherever a table of edges does, as in ``compile_graph(prior)``, which then reads
    the prior's outputs. It unpacks into table and report: ``edges, report = prior``.

    Parameters
    ----------
    edges : DataFrame
        Columns ``source`` and ``target``, in the direction of computation; every other column is
        kept.
    steps : tuple of StepReport
        What has been done so far; the steps fill it in, as they do the following.
    features : tuple of str
        What the data measure.
    outputs : tuple of str, optional
        Nodes to read, sorted; None stands for the nodes without outgoing edges.

    Raises
    ------
    Edge2TorchError
        For what cannot be read as a table of edges, and for what the steps refuse.

    Examples
    --------
    >>> sets = pd.DataFrame({"source": ["g1", "g2", "g3", "p"], "target": ["p", "p", "q", "q"]})
    >>> prior = Prior(sets).keep_between(["g1", "g2", "g4"]).connect_outputs(["B", "T"])
    >>> print(prior.explain())
    given: 5 nodes, 4 edges
    1. keep_between: 5 -> 4 nodes, 4 -> 3 edges
       Keep the nodes and edges on paths from measured features to wanted outputs.
       - 1 of 3 feature(s) are not in the graph: 'g4'.
       - 1 node(s) that no feature reaches were dropped: 'g3'.
    2. connect_outputs: 4 -> 6 nodes, 3 -> 5 edges
       Let every node without outgoing edges lead to every output.
       - 1 node(s) without outgoing edges now lead to 'B', 'T'.
    now: 6 nodes, 5 edges; 2 of 3 features covered (67 %), 2 outputs
    >>> edges, report = prior
    >>> report.outputs
    ('B', 'T')
    """

    edges: pd.DataFrame
    steps: tuple[StepReport, ...] = ()
    features: tuple[str, ...] = ()
    outputs: tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        if isinstance(self.edges, Prior):  # it goes on, with all that it remembers
            for name, value in vars(self.edges).items():
                object.__setattr__(self, name, value)
        elif not self.steps:  # what steps return, they have checked
            object.__setattr__(self, "edges", numbered(self.edges).frame)

    # ------------------------------------------------------------------- what has become of it

    @cached_property
    def report(self) -> PriorReport:
        """What every step did, which features are covered, and the graph's inputs and outputs."""
        graph = numbered(self.edges)
        ends = graph.is_end if self.outputs is None else graph.numbers(self.outputs)
        inputs = graph.named(graph.is_input)
        return PriorReport(self.steps, self.features, tuple(inputs), tuple(graph.named(ends)))

    def explain(self) -> str:
        """Return what every step is for and what it did here, as text."""
        purposes = {step.__name__: (step.__doc__ or "").partition("\n")[0] for step in _STEPS}
        nodes, edges = sizes(self.edges)
        if self.steps:
            nodes, edges = self.steps[0].nodes[0], self.steps[0].edges[0]
        lines = [f"given: {nodes:,} nodes, {edges:,} edges"]
        for number, step in enumerate(self.steps, 1):
            head, *notes = repr(step).splitlines()
            lines += [f"{number}. {head}", f"   {purposes.get(step.step, '')}"]
            lines += [f"   - {note.strip()}" for note in notes]
        return "\n".join([*lines, f"now: {self.report.summary()}"])

    def __iter__(self) -> Iterator[Any]:
        return iter((self.edges, self.report))

    def __getitem__(self, place: int) -> Any:
        return (self.edges, self.report)[place]

    def __repr__(self) -> str:
        return "Prior" + repr(self.report).removeprefix("PriorReport")

    def _repr_html_(self) -> str:
        rows = self.edges.head().to_html(border=0, index=False)
        return self.report._repr_html_().replace("PriorReport", "Prior", 1) + rows

    # ------------------------------------------------------------------------------- the steps

    def _after(
        self,
        result: tuple[pd.DataFrame, StepReport],
        features: list[str] | None = None,
        outputs: Iterable[str] | None = None,
    ) -> Prior:
        """Return what a step has made of the graph, and remember the names that it was given."""
        edges, step = result
        named = self.outputs if outputs is None else outputs
        if named is not None:  # an output that no feature reaches is gone, and was reported
            ends = pd.concat([edges["source"], edges["target"]])
            named = tuple(sorted(set(ends[ends.isin(list(named))])))
        measured = self.features if features is None else tuple(dict.fromkeys(features))
        return Prior(edges, (*self.steps, step), measured, named)

    def map_identifiers(
        self, mapping: Pairs, *, unmapped: Literal["keep", "drop", "error"] = "keep"
    ) -> Prior:
        """Rename nodes: :func:`map_identifiers`."""
        edges, step = map_identifiers(self.edges, mapping, unmapped=unmapped)
        new = pd.DataFrame(step.table).groupby("old")["new"].agg(list)
        read = self.outputs and [name for old in self.outputs for name in new.get(old, [old])]
        return self._after((edges, step), outputs=read)

    def keep_between(
        self,
        features: Any | None = None,
        outputs: Any | None = None,
        *,
        into_features: Literal["drop", "keep"] = "drop",
    ) -> Prior:
        """Keep what lies between features and outputs, those remembered where none are named."""
        if features is None and not self.features:
            raise Edge2TorchError("features is missing. Name what the data measure.")
        measured = self.features if features is None else features
        read = self.outputs if outputs is None else as_names(outputs, "outputs")
        result = keep_between(self.edges, measured, read, into_features=into_features)
        return self._after(result, as_names(measured), read)

    def break_cycles(self, *, inputs: Any | None = None) -> Prior:
        """Drop edges of cycles that lead back: :func:`break_cycles`."""
        return self._after(break_cycles(self.edges, inputs=inputs))

    def filter_sets(
        self, min_genes: int = 1, max_genes: int | None = None, *, keep: Any = ()
    ) -> Prior:
        """Leave out small and large sets, but no outputs: :func:`filter_sets`."""
        kept = [*(self.outputs or ()), *as_names(keep, "keep")]
        return self._after(filter_sets(self.edges, min_genes, max_genes, keep=kept))

    def cut_depth(self, depth: int, *, outputs: Any | None = None) -> Prior:
        """Keep what is at most so far below an output: :func:`cut_depth`."""
        read = self.outputs if outputs is None else outputs
        return self._after(cut_depth(self.edges, depth, outputs=read))

    def collapse_chains(self, *, keep: Any = ()) -> Prior:
        """Leave out nodes with a single child, but no outputs: :func:`collapse_chains`."""
        kept = [*(self.outputs or ()), *as_names(keep, "keep")]
        return self._after(collapse_chains(self.edges, keep=kept))

    def merge_identical(self, *, keep: Any = ()) -> Prior:
        """Make one node of sets with the same genes, but of no outputs: :func:`merge_identical`."""
        kept = [*(self.outputs or ()), *as_names(keep, "keep")]
        return self._after(merge_identical(self.edges, keep=kept))

    def propagate_memberships(self) -> Prior:
        """Make genes direct members of all sets above: :func:`propagate_memberships`."""
        return self._after(propagate_memberships(self.edges))

    def limit_layers(self, layers: int, *, skips: Literal["keep", "drop"] = "keep") -> Prior:
        """Keep the upper layers: :func:`limit_layers`."""
        return self._after(limit_layers(self.edges, layers, skips=skips))

    def add_latent(
        self,
        n: int,
        *,
        name: str = "latent",
        sources: Any | None = None,
        targets: Any | None = None,
    ) -> Prior:
        """Add free nodes that lead to the outputs, where some are named: :func:`add_latent`."""
        above = self.outputs or () if targets is None else targets
        return self._after(add_latent(self.edges, n, name=name, sources=sources, targets=above))

    def add_root(self, root: str = "root") -> Prior:
        """Let every end lead to one root, the only output: :func:`add_root`."""
        return self._after(add_root(self.edges, root), outputs=[root])

    def connect_outputs(self, outputs: Any) -> Prior:
        """Let every end lead to new outputs: :func:`connect_outputs`."""
        new = as_names(outputs, "outputs")
        return self._after(connect_outputs(self.edges, new), outputs=new)

    def add_data_types(self, features: Any, *, separator: str = "@") -> Prior:
        """Let several measurements of an entity feed its node: :func:`add_data_types`."""
        named = as_names(features, "features")
        return self._after(add_data_types(self.edges, named, separator=separator), named)

    def union_edges(self, *tables: EdgesLike) -> Prior:
        """Join further tables to the graph: :func:`union_edges`."""
        return self._after(union_edges(self.edges, *tables))

    def fit(
        self,
        features: Any,
        outputs: Any | None = None,
        *,
        connect: bool = False,
        root: str | None = None,
        cycles: Cycles = "error",
        data_types: str | None = None,
    ) -> Prior:
        """Do what every graph needs before it fits the data: :func:`prepare_prior` in short."""
        return prepare_prior(
            self,
            features,
            outputs,
            connect=connect,
            root=root,
            cycles=cycles,
            data_types=data_types,
        )


def prepare_prior(  # noqa: C901 (one branch per step, none inside another)
    edges: EdgesLike,
    features: Any,
    outputs: Any | None = None,
    *,
    connect: bool = False,
    root: str | None = None,
    mapping: Pairs | None = None,
    unmapped: Literal["keep", "drop", "error"] = "keep",
    data_types: str | None = None,
    cycles: Cycles = "error",
    min_genes: int = 1,
    max_genes: int | None = None,
    depth: int | None = None,
    collapse: bool = False,
    merge: bool = False,
    propagate: bool = False,
    layers: int | None = None,
    skips: Literal["keep", "drop"] = "keep",
    latent: int = 0,
) -> Prior:
    """Fit a prior graph to the data; say what was kept and dropped, and why.

    The steps come in the order of the parameters below, each only if it is asked for;
    :func:`keep_between` opens, and closes where a step has left loose ends. Each is a function of its
    own, and a method of :class:`Prior`.

    Parameters
    ----------
    edges : DataFrame or Prior
        Columns ``source`` and ``target``, in the direction of computation; every other column is
        kept. The steps of a prior come first.
    features : list of names, DataFrame or AnnData
        What the data measure; of a table its columns, of an AnnData its ``var_names``.
    outputs : list of names, optional
        Nodes to read; by default the nodes without outgoing edges.
    connect : bool
        ``outputs`` are new nodes, such as classes, that every end of the graph leads to.
    root : str, optional
        Name of a new node that every end leads to, and the only output.
    mapping, unmapped
        As in :func:`map_identifiers`.
    data_types : str, optional
        The separator of :func:`add_data_types`, such as ``"@"``.
    cycles : {"error", "break", "keep"}
        Whether cycles are refused, broken as in :func:`break_cycles`, or kept for the backends
        that take them. The steps from ``layers`` on need a graph without.
    min_genes, max_genes : int
        As in :func:`filter_sets`.
    depth : int, optional
        As in :func:`cut_depth`.
    collapse, merge, propagate : bool
        Whether to :func:`collapse_chains`, :func:`merge_identical`,
        :func:`propagate_memberships`.
    layers, skips
        As in :func:`limit_layers`.
    latent : int
        As in :func:`add_latent`.

    Returns
    -------
    Prior
        Ready for ``compile_graph``. It unpacks into ``edges``, a DataFrame whose nodes without
        incoming edges are the covered features, and ``report``, which prints what every step did.
        ``report.inputs`` and ``report.outputs`` are what ``compile_graph`` takes beside the table,
        which matters where an output has outgoing edges.

    Raises
    ------
    Edge2TorchError
        When features and graph share no names, for unknown outputs, for cycles, and for what the
        single steps refuse.

    Examples
    --------
    >>> import edge2torch as e2t
    >>> sets = pd.DataFrame({"source": ["g1", "g2", "g3", "p"], "target": ["p", "p", "q", "q"]})
    >>> edges, report = prepare_prior(sets, ["g1", "g2", "g3", "g4"], ["B", "T"], connect=True)
    >>> report
    PriorReport: 7 nodes, 6 edges; 3 of 4 features covered (75 %), 2 outputs
    keep_between: 5 nodes, 4 edges
      1 of 4 feature(s) are not in the graph: 'g4'.
    connect_outputs: 5 -> 7 nodes, 4 -> 6 edges
      1 node(s) without outgoing edges now lead to 'B', 'T'.
    >>> model, artifact = e2t.compile_graph(edges, quiet=True)
    >>> artifact.feature_names, artifact.output_names
    (['g1', 'g2', 'g3'], ['B', 'T'])
    """
    check_choice("cycles", cycles, ("keep", "break", "error"))
    measured = as_names(features, "features")
    read = None if outputs is None else as_names(outputs, "outputs")
    if connect and not read:
        raise Edge2TorchError("connect=True needs outputs=, the names of the new nodes.")
    check_count("latent", latent, 0)
    if root is not None and read:
        raise Edge2TorchError("root and outputs exclude each other: the root is the only output.")

    prior = edges if isinstance(edges, Prior) else Prior(edge_frame(edges))
    if mapping is not None:
        prior = prior.map_identifiers(mapping, unmapped=unmapped)
    if read and not connect:
        _check_outputs(prior.edges, read)
    entities = features
    if data_types is not None:  # what the features are measurements of, each once
        entities = list(dict.fromkeys(name.rsplit(data_types, 1)[0] for name in measured))
    prior = prior.keep_between(entities, None if connect else read)
    # cycles come before sets are counted and layers are cut: both need a graph without
    if cycles == "break":
        prior = prior.break_cycles().keep_between()  # dropped edges leave loose ends
    elif cycles == "error":
        refuse_cycles(prior.edges)
    if min_genes != 1 or max_genes is not None:
        prior = prior.filter_sets(min_genes, max_genes)
    if depth is not None:
        prior = prior.cut_depth(depth)
    if collapse:
        prior = prior.collapse_chains()
    if merge:
        prior = prior.merge_identical()
    if propagate:
        prior = prior.propagate_memberships()
    if layers is not None:
        prior = prior.limit_layers(layers, skips=skips)
    # what is added comes last, so that no step takes it for part of the prior knowledge
    if latent != 0:
        prior = prior.add_latent(latent)
    if root is not None:
        prior = prior.add_root(root)
    if connect:
        prior = prior.connect_outputs(read)
    if data_types is not None:
        prior = prior.add_data_types(measured, separator=data_types)
    trimmed = prior.keep_between(measured)
    return trimmed if len(trimmed.edges) < len(prior.edges) else prior


def _check_outputs(edges: pd.DataFrame, names: list[str]) -> None:
    graph = numbered(edges)
    if absent := sorted(set(names) - set(graph.names.tolist())):
        ends = listing(graph.named(graph.is_end))
        raise Edge2TorchError(
            f"outputs names {len(absent)} node(s) that are not in the graph: {listing(absent)}; its "
            f"ends are {ends or 'none'}. connect=True adds outputs as new nodes."
        )
