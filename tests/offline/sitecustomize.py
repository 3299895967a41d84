"""Python imports a module of this name at every start, when this folder is in PYTHONPATH: blocks the network (no_network.py)."""

import importlib.machinery
import importlib.util
import sys
from pathlib import Path

_here = Path(__file__).resolve().parent


def _load(name, path):
    spec = importlib.util.spec_from_file_location(name, path)
    module = importlib.util.module_from_spec(spec)
    sys.modules.setdefault(name, module)
    spec.loader.exec_module(module)
    return module


_load("no_network", _here.parent / "no_network.py").block()

# the system's own sitecustomize, which this one hides, still gets its turn
_others = [path for path in sys.path if Path(path or ".").resolve() != _here]
_found = importlib.machinery.PathFinder.find_spec("sitecustomize", _others)
if _found and _found.loader:
    _found.loader.exec_module(importlib.util.module_from_spec(_found))
