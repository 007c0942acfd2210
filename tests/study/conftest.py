"""The small world of the command line's tests."""

from tests.cli.conftest import cells, edges, files, no_figures

__all__ = ["cells", "edges", "files", "no_figures"]
