"""Pictures of graphs and attributions: frames and artifacts in, Axes or graphviz objects out.

Needs matplotlib (``pip install "edge2torch[plot]"``). Graphs are laid out by graphviz where its
``dot`` program is installed, and by matplotlib everywhere else.
"""

from edge2torch.plot._bars import plot_top_nodes
from edge2torch.plot._draw import draw_graph
from edge2torch.plot._heatmap import plot_node_heatmap

__all__ = ["draw_graph", "plot_node_heatmap", "plot_top_nodes"]
