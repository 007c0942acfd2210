"""Graphs with a known truth, and the oracle that says what a network on them must compute."""

from edge2torch.simulate._causal import PlantedNodes, planted_nodes
from edge2torch.simulate._drivers import PlantedDrivers, planted_drivers
from edge2torch.simulate._graphs import layered_graph, random_dag
from edge2torch.simulate._modules import PlantedModules, planted_modules
from edge2torch.simulate._oracle import evaluate
from edge2torch.simulate._pathways import PathwayProblem, disconnected_pathways
from edge2torch.simulate._planted import PlantedRegulator, planted_regulator
from edge2torch.simulate._samples import simulate
from edge2torch.simulate._steps import evaluate_steps

__all__ = [
    "PathwayProblem",
    "PlantedDrivers",
    "PlantedModules",
    "PlantedNodes",
    "PlantedRegulator",
    "disconnected_pathways",
    "evaluate",
    "evaluate_steps",
    "layered_graph",
    "planted_drivers",
    "planted_modules",
    "planted_nodes",
    "planted_regulator",
    "random_dag",
    "simulate",
]
