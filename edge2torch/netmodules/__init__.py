"""Gene-network modules: switching and abundance as two channels of one network."""

from edge2torch.netmodules._backends import BACKENDS, ModuleBackend
from edge2torch.netmodules._checkpoint import Checkpoint
from edge2torch.netmodules._config import (
    GraphConfig,
    LatentConfig,
    ModulesConfig,
    ReliabilityConfig,
    VaeConfig,
    WgcnaConfig,
    override,
    read_config,
)
from edge2torch.netmodules._fit import fit_modules
from edge2torch.netmodules._input import TranscriptData, transcript_data
from edge2torch.netmodules._read import read_transcript_data
from edge2torch.netmodules._result import NetworkModules, load_modules, modules_to_edgelist
from edge2torch.netmodules._scores import compare_modules, score_modules
from edge2torch.netmodules._stability import Stability, stability_selection

__all__ = [
    "BACKENDS",
    "Checkpoint",
    "GraphConfig",
    "LatentConfig",
    "ModuleBackend",
    "ModulesConfig",
    "NetworkModules",
    "ReliabilityConfig",
    "Stability",
    "TranscriptData",
    "VaeConfig",
    "WgcnaConfig",
    "compare_modules",
    "fit_modules",
    "load_modules",
    "modules_to_edgelist",
    "override",
    "read_config",
    "read_transcript_data",
    "score_modules",
    "stability_selection",
    "transcript_data",
]
