"""A result as a compiled graph."""

from __future__ import annotations

import pandas as pd

from edge2torch.compile import CompileArtifact, compile_graph
from edge2torch.errors import Edge2TorchError
from edge2torch.nn import CompiledModel

_SEPARATOR = "::"


def compile_modules(
    table: pd.DataFrame, module_ids: list[str]
) -> tuple[CompiledModel, CompileArtifact]:
    """Features → genes → modules, all weights fixed: the eigengenes as a network."""
    if table.empty:
        raise Edge2TorchError("There are no modules, so there is nothing to compile.")
    gene = table["gene_id"] + _SEPARATOR + table["module_id"]
    into_gene = pd.DataFrame(
        {"source": table["feature_id"], "target": gene, "initial_weight": table["loading"]}
    )
    into_module = pd.DataFrame(
        {"source": gene, "target": table["module_id"], "initial_weight": 1.0}
    ).drop_duplicates(["source", "target"])
    edges = pd.concat([into_gene, into_module], ignore_index=True).assign(constraint="fixed")
    return compile_graph(edges, quiet=True, bias=False, outputs=module_ids)
