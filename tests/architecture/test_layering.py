"""The direction of imports: a checker made of pure functions, its own tests, and its verdict on ntksym.

A package is given as a mapping from module name to source; a package's own module is spelled out, as in
``ntksym.language.__init__``. Every rule maps such a package to a list of complaints.
"""

import ast
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

ROOMS = (
    "language",
    "zoo",
    "records",
    "codegen",
    "sampling",
    "gaussian",
    "scaling",
    "kernels",
    "phases",
    "finite",
    "dynamics",
    "validation",
    "frameworks",
    "reporting",
    "cli",
)
GROUND_FLOOR, ROOF = -1, len(ROOMS)
LAZY_LOADER = "ntksym._lazy"
ON_THE_ROOF = {"ntksym", "ntksym.__main__"}

HEAVY = {
    *("sympy", "scipy", "numba", "matplotlib", "jax", "jaxlib", "optax", "sklearn", "torch", "pandas"),
    *("dask", "distributed", "typst"),
}
WITHOUT_NUMPY = {"language", "zoo", "records", "scaling"}

Package = Mapping[str, str]


@dataclass(frozen=True)
class Import:
    """One import statement, or one call that names a module of the package in a string."""

    importer: str
    target: str
    line: int
    type_only: bool = False
    nested: bool = False
    in_string: bool = False

    @property
    def where(self) -> str:
        return f"{self.importer}, line {self.line}"


# --- reading -----------------------------------------------------------------------------------------


def read_package(folder: Path) -> dict[str, str]:
    return {
        ".".join(path.relative_to(folder.parent).with_suffix("").parts): path.read_text(encoding="utf-8")
        for path in sorted(folder.rglob("*.py"))
    }


def public_name(module: str) -> str:
    return module.removesuffix(".__init__")


def imports_of(module: str, source: str, known: frozenset[str]) -> list[Import]:
    return list(_imports_below(ast.parse(source, module), module, known, Import(public_name(module), "", 0)))


def imports(package: Package) -> list[Import]:
    known = frozenset(map(public_name, package))
    return [found for module, source in package.items() for found in imports_of(module, source, known)]


def _imports_below(node: ast.AST, module: str, known: frozenset[str], here: Import) -> Iterator[Import]:
    """``here`` carries what the enclosing statements say: nested or not, for type checkers only or not."""
    here = replace(here, line=getattr(node, "lineno", here.line))
    if isinstance(node, ast.Import):
        yield from (replace(here, target=alias.name) for alias in node.names)
    elif isinstance(node, ast.ImportFrom):
        source = _absolute(module, node)
        members = (f"{source}.{alias.name}" for alias in node.names)
        targets = (member if member in known else source for member in members)
        yield from (replace(here, target=target) for target in dict.fromkeys(targets))
    elif isinstance(node, ast.Call):
        yield from _imports_in_strings(node, known, here)
    children = list(ast.iter_child_nodes(node))
    if isinstance(node, ast.If) and _is_type_checking(node.test):
        for guarded in node.body:
            yield from _imports_below(guarded, module, known, replace(here, type_only=True))
        children = [*node.orelse]
    elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Lambda):
        here = replace(here, nested=True)
    for child in children:
        yield from _imports_below(child, module, known, here)


def _absolute(module: str, node: ast.ImportFrom) -> str:
    if not node.level:
        return node.module or ""
    package = module.split(".")[: -node.level]
    return ".".join([*package, node.module] if node.module else package)


def _is_type_checking(test: ast.expr) -> bool:
    return ast.unparse(test) in {"TYPE_CHECKING", "typing.TYPE_CHECKING"}


def _imports_in_strings(call: ast.Call, known: frozenset[str], here: Import) -> Iterator[Import]:
    """``import_module("x")`` is an import in disguise; so is any call that is handed a module's name.

    A registry that imports whatever files it finds builds the name at run time, and is left in peace.
    """
    imports_by_name = ast.unparse(call.func).rpartition(".")[2] in {"import_module", "__import__"}
    for argument in (*call.args, *(keyword.value for keyword in call.keywords)):
        if isinstance(argument, ast.Constant) and isinstance(argument.value, str):
            if imports_by_name:
                yield replace(here, target=argument.value, nested=True)
            elif argument.value in known and argument.value != here.importer:
                yield replace(here, target=argument.value, in_string=True)


# --- rules -------------------------------------------------------------------------------------------


def room(module: str) -> str:
    return module.split(".")[1] if "." in module else ""


def floor(module: str) -> int:
    if module in ON_THE_ROOF:
        return ROOF
    return ROOMS.index(room(module)) if room(module) in ROOMS else GROUND_FLOOR


def is_ours(module: str) -> bool:
    return module.split(".")[0] == "ntksym"


def unknown_rooms(package: Package) -> list[str]:
    rooms = {room(module) for module in package if module.count(".") > 1}
    return [f"ntksym/{name}/ is not one of the rooms" for name in sorted(rooms - set(ROOMS))]


def arrows_up(package: Package) -> list[str]:
    return [
        f"{found.where}: {found.target} lies below in the order of rooms and may not be imported"
        for found in imports(package)
        if is_ours(found.target) and floor(found.target) > floor(found.importer)
    ]


def cycles(package: Package) -> list[str]:
    """Importing a module also runs the packages around it; only what a statement names is an edge here."""
    known = frozenset(map(public_name, package))
    graph: dict[str, set[str]] = {module: set() for module in known}
    for found in imports(package):
        if found.target in known and not found.type_only and not found.in_string:
            graph[found.importer].add(found.target)
    return [
        "import cycle: " + ", ".join(sorted(component))
        for component in strong_components(graph)
        if len(component) > 1 or component <= graph[min(component)]
    ]


def strong_components(graph: Mapping[str, set[str]]) -> list[set[str]]:
    """Nodes that reach each other (Kosaraju: reversed arrows, in the order in which a first walk ends)."""
    reversed_graph: dict[str, set[str]] = {node: set() for node in graph}
    for node, targets in graph.items():
        for target in targets:
            reversed_graph[target].add(node)
    seen: set[str] = set()
    ended = [node for start in sorted(graph) for node in _walk(start, graph, seen)]
    seen = set()
    return [set(tree) for start in reversed(ended) if (tree := _walk(start, reversed_graph, seen))]


def _walk(start: str, graph: Mapping[str, set[str]], seen: set[str]) -> list[str]:
    """Nodes reached for the first time, each after all that it leads to."""
    if start in seen:
        return []
    seen.add(start)
    return [node for target in sorted(graph[start]) for node in _walk(target, graph, seen)] + [start]


def hidden_imports(package: Package) -> list[str]:
    return [
        f"{found.where}: {found.target} is imported out of sight; move it to the top of the module, "
        f"or let {LAZY_LOADER} load it on first use"
        for found in imports(package)
        if found.nested and found.importer != LAZY_LOADER
    ]


def heavy_imports(package: Package) -> list[str]:
    return [
        f"{found.where}: {found.target} is slow to load; let {LAZY_LOADER} load it on first use"
        for found in imports(package)
        if found.target.split(".")[0] in heavy_for(found.importer)
        and not found.type_only
        and found.importer != LAZY_LOADER
    ]


def heavy_for(module: str) -> set[str]:
    light = room(module) in WITHOUT_NUMPY or room(module) not in ROOMS
    return HEAVY | {"numpy"} if light else HEAVY


RULES: tuple[Callable[[Package], list[str]], ...] = (
    unknown_rooms,
    arrows_up,
    cycles,
    hidden_imports,
    heavy_imports,
)


# --- the checker is held to account ------------------------------------------------------------------

SOUND = {
    "ntksym.__init__": "from importlib import import_module\nload = import_module(f'{__name__}.cli')",
    "ntksym.__main__": "from ntksym.cli import main",
    "ntksym._lazy": "def load_sympy():\n    import sympy\n    return sympy",
    "ntksym.errors": "class Refused(Exception): ...",
    "ntksym.language.__init__": "from ntksym.language.program import Program\nfrom . import trace",
    "ntksym.language.program": (
        "from __future__ import annotations\n"
        "from typing import TYPE_CHECKING\n"
        "from ..errors import Refused\n"
        "if TYPE_CHECKING:\n"
        "    import numpy as np\n"
        "    from ntksym.language.trace import trace"
    ),
    "ntksym.language.trace": "from .program import Program\nsympy = lazy('sympy')",
    "ntksym.language.registry": "import importlib\nfor f in files: importlib.import_module(f'{here}.{f}')",
    "ntksym.kernels.gram": "import numpy as np\nfrom ntksym import language, errors",
    "ntksym.cli": "import typer\nfrom ntksym.kernels import gram",
}


@pytest.mark.parametrize("rule", RULES)
def test_a_sound_package_passes(rule: Callable[[Package], list[str]]) -> None:
    assert rule(SOUND) == []


@pytest.mark.parametrize(
    ("rule", "module", "source"),
    [
        (unknown_rooms, "ntksym.helpers.text", ""),
        (arrows_up, "ntksym.language.extra", "from ntksym.kernels.gram import gram"),
        (arrows_up, "ntksym.language.extra", "from ..kernels import gram"),
        (arrows_up, "ntksym.language.extra", "from .. import kernels, cli"),
        (arrows_up, "ntksym.language.extra", "import ntksym.kernels.gram as g"),
        (arrows_up, "ntksym.language.extra", "try:\n    import ntksym.cli\nexcept ImportError: ..."),
        (arrows_up, "ntksym.language.extra", "gram = lazy('ntksym.kernels.gram')"),
        (arrows_up, "ntksym.language.extra", "gram = lazy(module='ntksym.kernels.gram')"),
        (arrows_up, "ntksym.language.extra", "from ntksym import scaling_table"),
        (arrows_up, "ntksym.language.extra", "import ntksym as ns"),
        (arrows_up, "ntksym.language.extra", "def f():\n    import ntksym.cli"),
        (arrows_up, "ntksym.language.extra", "if TYPE_CHECKING:\n    from ntksym.cli import main"),
        (arrows_up, "ntksym.errors", "from ntksym.language import Program"),
        (cycles, "ntksym.language.program", "from ntksym.language.trace import trace"),
        (cycles, "ntksym.language.program", "from . import trace"),
        (cycles, "ntksym.language.program", "if True:\n    from .trace import trace"),
        (cycles, "ntksym.language.program", "if TYPE_CHECKING:\n    ...\nelse:\n    from .trace import t"),
        (cycles, "ntksym.language.program", "from ntksym.language import trace"),
        (cycles, "ntksym.language.trace", "from ntksym.language import Program"),
        (cycles, "ntksym.errors", "import ntksym.errors"),
        (hidden_imports, "ntksym.cli", "def f():\n    import json"),
        (hidden_imports, "ntksym.cli", "async def f():\n    if x:\n        from ntksym.kernels import gram"),
        (hidden_imports, "ntksym.cli", "class A:\n    from json import dumps"),
        (hidden_imports, "ntksym.cli", "class A:\n    def f(self):\n        import json"),
        (hidden_imports, "ntksym.cli", "import importlib\nj = importlib.import_module('json')"),
        (hidden_imports, "ntksym.cli", "j = lambda: __import__('json')"),
        (hidden_imports, "ntksym.__init__", "def __getattr__(name):\n    import ntksym.cli"),
        (heavy_imports, "ntksym.cli", "import scipy.special"),
        (heavy_imports, "ntksym.cli", "from sympy import Symbol"),
        (heavy_imports, "ntksym.kernels.gram", "if True:\n    import jax.numpy as jnp"),
        (heavy_imports, "ntksym.kernels.gram", "try:\n    import torch\nexcept ImportError: ..."),
        (heavy_imports, "ntksym.scaling.sizes", "import numpy as np"),
        (heavy_imports, "ntksym.errors", "from numpy import ndarray"),
    ],
)
def test_each_rule_finds_its_violation(rule: Callable[[Package], list[str]], module: str, source: str) -> None:
    assert rule({**SOUND, module: source})


def test_a_complaint_names_the_line() -> None:
    (complaint,) = arrows_up({**SOUND, "ntksym.zoo.mlp": "import json\n\nimport ntksym.cli\n"})
    assert complaint.startswith("ntksym.zoo.mlp, line 3: ntksym.cli ")


def test_a_cycle_is_named_once_and_in_full() -> None:
    ring = {
        "ntksym.zoo.a": "import ntksym.zoo.b",
        "ntksym.zoo.b": "import ntksym.zoo.c",
        "ntksym.zoo.c": "import ntksym.zoo.a",
        "ntksym.zoo.d": "import ntksym.zoo.a",
    }
    assert cycles(ring) == ["import cycle: ntksym.zoo.a, ntksym.zoo.b, ntksym.zoo.c"]


# --- the verdict -------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def ntksym_sources() -> dict[str, str]:
    return read_package(ROOT / "ntksym")


def test_the_package_is_read(ntksym_sources: dict[str, str]) -> None:
    assert {"ntksym.__init__", "ntksym.language.__init__"} <= ntksym_sources.keys()
    assert imports(ntksym_sources)


@pytest.mark.parametrize("rule", RULES)
def test_ntksym_keeps(rule: Callable[[Package], list[str]], ntksym_sources: dict[str, str]) -> None:
    complaints = rule(ntksym_sources)
    assert not complaints, "\n".join(complaints)
