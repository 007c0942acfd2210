"""Graphs with a known truth, and the oracle that says what a network on them must compute."""

from edge2torch.simulate._graphs import layered_graph, random_dag
from edge2torch.simulate._oracle import evaluate

__all__ = ["evaluate", "layered_graph", "random_dag"]
