"""Results from disk."""

from __future__ import annotations

import os
from pathlib import Path

from edge2torch.netmodules._folder import load_folder
from edge2torch.netmodules._result import NetworkModules


def load_modules(path: str | os.PathLike[str]) -> NetworkModules:
    """Read a result that :meth:`NetworkModules.save` wrote.

    Parameters
    ----------
    path : path
        The folder.

    Returns
    -------
    NetworkModules

    Raises
    ------
    Edge2TorchError
        For a folder that is missing, damaged, or written by a newer version.

    Examples
    --------
    >>> from edge2torch.netmodules import fit_modules
    >>> from edge2torch.simulate import planted_modules
    >>> planted = planted_modules(n_modules=2, module_size=12, n_background=20, seed=0)
    >>> found = fit_modules(
    ...     planted.counts, planted.transcripts, planted.samples, backend="latent", quiet=True)
    >>> load_modules(found.save("modules")).modules.equals(found.modules)
    True
    """
    return NetworkModules(**load_folder(Path(path)))
