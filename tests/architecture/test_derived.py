"""Scaling is derived: no code of the analysis says the name of a layer, an activation or an architecture.

A program is operations and parameters; whoever writes ``if name == ...`` for a layer has written a table of
answers. The checker reads identifiers and strings; docstrings and comments may say what they like.
"""

from __future__ import annotations

import ast
import builtins
from collections.abc import Iterator
from pathlib import Path

import pytest

from ntksym import zoo
from ntksym.language import layers, layers_recurrent
from ntksym.language.activations import activations
from ntksym.language.ops_checks import operations

ROOM = Path(__file__).parents[2] / "ntksym" / "scaling"

DOCUMENTED = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)


def layer_names() -> set[str]:
    """Public functions of the layers that take a value and are not themselves an operation."""
    found = set()
    for module in (layers, layers_recurrent):
        for name, thing in vars(module).items():
            if callable(thing) and getattr(thing, "__module__", "") == module.__name__ and name[0] != "_":
                found.add(name)
    return found - {"required_name"} - set(operations)


def forbidden() -> set[str]:
    return layer_names() | set(activations()) | set(zoo.names)


def docstrings(tree: ast.AST) -> set[int]:
    """The nodes that are docstrings, those of constants (a string after an assignment) included."""
    out: set[int] = set()
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if isinstance(body, list):
            alone = (s for s in body if isinstance(s, ast.Expr) and isinstance(s.value, ast.Constant))
            out |= {id(statement.value) for statement in alone if isinstance(statement.value.value, str)}
    return out


def words(tree: ast.AST) -> Iterator[tuple[str, int]]:
    """Every identifier and every string of a module, with its line; Python's own functions are nobody's names."""
    prose = docstrings(tree)
    for node in ast.walk(tree):
        line = getattr(node, "lineno", 0)
        if isinstance(node, ast.Name):
            if not hasattr(builtins, node.id):
                yield node.id, line
        elif isinstance(node, ast.Attribute):
            yield node.attr, line
        elif isinstance(node, ast.arg):
            yield node.arg, line
        elif isinstance(node, ast.keyword) and node.arg:
            yield node.arg, node.value.lineno
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield node.name, line
        elif isinstance(node, ast.alias):
            yield from ((name, line) for name in (*node.name.split("."), node.asname) if name)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in prose:
            yield node.value, line
        elif isinstance(node, ast.MatchAs | ast.MatchStar) and node.name:
            yield node.name, line


def named(source: str, names: set[str]) -> list[tuple[str, int]]:
    """Where a module says one of the names: (name, line)."""
    return sorted({(word, line) for word, line in words(ast.parse(source)) if word in names}, key=lambda w: w[1])


# --- the checker is held to account -------------------------------------------------------------------------------

NAMES = {"dense", "relu", "transformer", "abs"}


@pytest.mark.parametrize(
    "source",
    [
        "if node.name == 'dense': x = 1",
        "relu = 3",
        "x = relu",
        "x = ns.relu",
        "def dense(x): return x",
        "async def dense(x): return x",
        "class transformer: ...",
        "def f(dense): ...",
        "def f(*, dense=1): ...",
        "f = lambda relu: 1",
        "f(dense=1)",
        "table = {'transformer': 1}",
        "from ntksym.zoo import transformer",
        "import ntksym.zoo.transformer as t",
        "from x import y as relu",
        "x: 'dense' = 1",
        "for relu in x: ...",
        "match x:\n    case 'dense': ...",
        "match x:\n    case [1, *relu]: ...",
        "match x:\n    case relu: ...",
        "x = f'{1}' 'dense'",
        "def f():\n    '''Fine.'''\n    return 'relu'",
        "def f(x='relu'): ...",
        "with x as relu: ...",
        "[relu for relu in x]",
        "(relu := 1)",
        "del x.dense",
        "if y == 'abs': ...",
    ],
)
def test_a_planted_name_is_found(source: str) -> None:
    assert named(source, NAMES)


@pytest.mark.parametrize(
    "source",
    [
        "'''About dense layers, relu and the transformer.'''",
        "def f():\n    '''dense'''",
        "class A:\n    '''relu'''",
        "X = 1\n'''dense'''",
        "# dense\nx = 1",
        "x = 'denser'",
        "x = 'a dense matrix'",
        "dense_matrix = 1",
        "x.densely()",
        "x = abs(y)",
    ],
)
def test_prose_and_longer_words_are_left_alone(source: str) -> None:
    assert not named(source, NAMES)


def test_a_finding_names_the_line() -> None:
    assert named("x = 1\n\nif y == 'dense':\n    z = relu\n", NAMES) == [("dense", 3), ("relu", 4)]


def test_the_names_are_read_from_the_registries() -> None:
    names = forbidden()
    assert {"dense", "attention", "layernorm", "moe", "lstm", "lora", "tied_readout"} <= names
    assert {"relu", "tanh", "gelu", "erf"} <= names
    assert {"transformer", "mlp", "dit", "word2vec"} <= names
    assert not names & {"matmul", "lookup", "softmax", "mix", "normalise", "repeat", "scan", "map"}


# --- the verdict ------------------------------------------------------------------------------------------------------


def test_scaling_names_no_layer_no_activation_and_no_architecture() -> None:
    files = sorted(ROOM.rglob("*.py"))
    assert len(files) > 10
    found = {
        str(path.relative_to(ROOM)): hits
        for path in files
        if (hits := named(path.read_text(encoding="utf-8"), forbidden()))
    }
    assert not found, "\n".join(f"{path}, line {line}: {name}" for path, hits in found.items() for name, line in hits)
