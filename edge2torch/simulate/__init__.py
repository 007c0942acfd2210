"""Graphs with a known truth, and the oracle that says what a network on them must compute."""

from edge2torch.simulate._causal import PlantedNodes as PlantedNodes
from edge2torch.simulate._causal import planted_nodes
from edge2torch.simulate._drivers import PlantedDrivers as PlantedDrivers
from edge2torch.simulate._drivers import planted_drivers
from edge2torch.simulate._graphs import layered_graph, random_dag
from edge2torch.simulate._modules import PlantedModules as PlantedModules
from edge2torch.simulate._modules import planted_modules
from edge2torch.simulate._oracle import evaluate
from edge2torch.simulate._pathways import PathwayProblem as PathwayProblem
from edge2torch.simulate._pathways import disconnected_pathways
from edge2torch.simulate._planted import PlantedRegulator as PlantedRegulator
from edge2torch.simulate._planted import planted_regulator
from edge2torch.simulate._samples import simulate
from edge2torch.simulate._steps import evaluate_steps

# Names "as" themselves are what comes back: importable, and no part of what a user calls.
__all__ = [
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
