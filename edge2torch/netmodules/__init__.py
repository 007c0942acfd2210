"""Gene-network modules: switching and abundance as two channels of one network."""

from edge2torch.netmodules._config import GraphConfig as GraphConfig
from edge2torch.netmodules._config import LatentConfig as LatentConfig
from edge2torch.netmodules._config import ModulesConfig
from edge2torch.netmodules._config import ReliabilityConfig as ReliabilityConfig
from edge2torch.netmodules._config import VaeConfig as VaeConfig
from edge2torch.netmodules._config import WgcnaConfig as WgcnaConfig
from edge2torch.netmodules._config import override as override
from edge2torch.netmodules._config import read_config as read_config
from edge2torch.netmodules._fit import BACKENDS as BACKENDS
from edge2torch.netmodules._fit import ModuleBackend as ModuleBackend
from edge2torch.netmodules._fit import fit_modules
from edge2torch.netmodules._input import TranscriptData as TranscriptData
from edge2torch.netmodules._input import transcript_data
from edge2torch.netmodules._read import read_transcript_data
from edge2torch.netmodules._result import NetworkModules as NetworkModules
from edge2torch.netmodules._result import load_modules
from edge2torch.netmodules._similarity import Checkpoint as Checkpoint
from edge2torch.netmodules._stability import Stability as Stability
from edge2torch.netmodules._stability import benchmark_backends as benchmark_backends
from edge2torch.netmodules._stability import score_modules, stability_selection
from edge2torch.netmodules._tables import modules_to_edgelist

# Names "as" themselves are parts of the settings and of other rooms: importable, not shown.
__all__ = [
    "ModulesConfig",
    "fit_modules",
    "load_modules",
    "modules_to_edgelist",
    "read_transcript_data",
    "score_modules",
    "stability_selection",
    "transcript_data",
]
