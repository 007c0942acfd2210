"""Networks and what is known of their nodes and edges, written for other programs.

One function writes all formats, by the ending of the file: CX2 for Cytoscape and NDEx, and others.
"""

from edge2torch.exchange._write import write_network

__all__ = ["write_network"]
