"""The program `.ci/matrix` as a module."""

from importlib.machinery import SourceFileLoader
from importlib.util import module_from_spec, spec_from_loader
from types import ModuleType

from support.engines.programs import REPOSITORY


def load(path: str) -> ModuleType:
    """Return a program of the repository, whose name need not end in `.py`, as a module."""
    loader = SourceFileLoader("matrix", str(REPOSITORY / path))
    spec = spec_from_loader("matrix", loader)
    assert spec is not None
    module = module_from_spec(spec)
    loader.exec_module(module)
    return module


matrix = load(".ci/matrix")
