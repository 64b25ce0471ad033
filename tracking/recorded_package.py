"""The package of a recorded model's loader: the installed one, else the copy beside this file.

MLflow puts a model's code before everything installed. Were the copy itself there, all that a process
imports later would get the code of that model, maybe an old one. So this file takes its place: where
the package is installed, that is loaded; elsewhere, the copy in `recorded/`. It uses Python alone.
"""

import importlib.machinery
import importlib.util
import sys
from pathlib import Path


def _find_package(name: str) -> importlib.machinery.ModuleSpec:
    here = Path(__file__).resolve().parent
    installed = []
    for place in sys.path:
        package = Path(place or ".").resolve() / name
        if (package / "pyfunc.py").exists() and not (package / "recorded").exists():
            installed.append(place or ".")
    spec = importlib.machinery.PathFinder.find_spec(name, [*installed, str(here / "recorded")])
    assert spec is not None and spec.loader is not None
    return spec


def _become(name: str) -> None:
    spec = _find_package(name)
    package = importlib.util.module_from_spec(spec)
    sys.modules[name] = package
    assert spec.loader is not None
    spec.loader.exec_module(package)


_become(__name__)
