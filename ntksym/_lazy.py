"""Heavy third-party modules, loaded on first use: ``sympy = lazy("sympy")``."""

from importlib import import_module
from typing import Any

from ntksym.errors import NtksymError

EXTRAS = {
    **dict.fromkeys(("jax", "optax"), "networks"),
    **dict.fromkeys(("dask", "distributed"), "dask"),
    "sklearn": "sklearn",
    "torch": "torch",
    "typst": "report",
    "pandas": "test",
}
"""The extra of pyproject.toml that brings a package; all others come with ntksym itself."""


class _LazyModule:
    """Stands for a module until one of its attributes is asked for."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __getattr__(self, attribute: str) -> Any:
        # pytest and inspect probe objects for __wrapped__ and the like; that is no use of the module
        if attribute.startswith("__") and attribute != "__version__":
            raise AttributeError(attribute)
        try:
            module = import_module(self._name)
        except ModuleNotFoundError as error:
            package = self._name.partition(".")[0]
            if error.name is None or error.name.partition(".")[0] != package:
                raise
            source = f"ntksym[{EXTRAS[package]}]" if package in EXTRAS else "ntksym"
            message = f"this needs {package}, which is not installed: pip install '{source}'"
            raise NtksymError(message) from error
        return getattr(module, attribute)

    def __repr__(self) -> str:
        return f"lazy({self._name!r})"


def lazy(name: str) -> Any:
    """A stand-in for the module ``name`` that imports it when an attribute is first asked for.

    Raises ``NtksymError``, naming what to install, if it is missing at that time.
    """
    return _LazyModule(name)
