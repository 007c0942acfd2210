"""Pictures of graphs and attributions: frames and artifacts in, Axes or graphviz objects out.

Needs matplotlib (``pip install "edge2torch[plot]"``). Graphs are laid out by graphviz where its
``dot`` program is installed, and by matplotlib everywhere else.
"""

from edge2torch.plot._attribution import attribution
from edge2torch.plot._bars import plot_stability, plot_top_nodes
from edge2torch.plot._clickable import ClickableNetwork as ClickableNetwork
from edge2torch.plot._clickable import clickable_network as clickable_network
from edge2torch.plot._degree_bias import plot_degree_bias
from edge2torch.plot._draw import draw_graph
from edge2torch.plot._faithfulness import faithfulness
from edge2torch.plot._flow import plot_flow
from edge2torch.plot._heatmap import plot_node_heatmap
from edge2torch.plot._layout import node_positions as node_positions
from edge2torch.plot._module_drivers import plot_module_drivers, plot_module_heatmap
from edge2torch.plot._module_summary import (
    plot_module_summary,
    plot_module_usage,
    save_module_figures,
)
from edge2torch.plot._records import NodeFacts as NodeFacts
from edge2torch.plot._survival import plot_calibration, plot_survival

# Names "as" themselves are for other rooms: importable, and no part of what the room shows.
__all__ = [
    "attribution",
    "draw_graph",
    "faithfulness",
    "plot_calibration",
    "plot_degree_bias",
    "plot_flow",
    "plot_module_drivers",
    "plot_module_heatmap",
    "plot_module_summary",
    "plot_module_usage",
    "plot_node_heatmap",
    "plot_stability",
    "plot_survival",
    "plot_top_nodes",
    "save_module_figures",
]
