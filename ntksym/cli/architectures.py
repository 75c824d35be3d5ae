"""From what a person types to an architecture: a name in the zoo, ``file.py:function`` or ``module:function``."""

from __future__ import annotations

import inspect
import os
import re
import sys
import traceback
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stdout
from importlib import import_module, invalidate_caches
from pathlib import Path
from types import ModuleType
from typing import Any

from ntksym import zoo
from ntksym.cli.settings import settings_of, suggestion
from ntksym.errors import NtksymError
from ntksym.language.activations import registry as activations
from ntksym.language.program import Program
from ntksym.language.trace import Architecture, program

FORMS = "a name of the zoo, path/to/file.py:function or package.module:function"
_PACKAGE = str(Path(__file__).parents[1]) + os.sep
# frames that are nobody's own code
_LIBRARY = os.path.dirname(os.__file__) + os.sep
_HAS_A_LINE = re.compile(r"[^\s:]+:\d+: ")


def find(spec: str) -> Architecture | Program:
    """The architecture that ``spec`` names; raises NtksymError, naming the user's line where there is one."""
    source, colon, function = spec.rpartition(":")
    if spec.endswith(".py"):
        return _only_one(_load_file(spec), spec)
    if not colon:
        return _from_zoo(spec)
    if not source or not function:
        raise NtksymError(f"{spec!r} is not an architecture; write {FORMS}")
    module = _load_file(source) if source.endswith(".py") else _load_module(source)
    return _member(module, function, source)


def program_of(arch: str | None, assignments: Sequence[str], shorthands: Mapping[str, str | None]) -> Program:
    """The program that ``arch`` names, with settings from ``key=value`` texts and options of their own."""
    if arch is None:
        raise NtksymError(f"name an architecture: {FORMS}; the zoo holds {', '.join(zoo.names)}")
    found = find(arch)
    if isinstance(found, Architecture):
        return traced(found, settings_of(found, assignments, shorthands))
    if assignments or any(value is not None for value in shorthands.values()):
        raise NtksymError(f"{arch} is a program, traced already: it has no settings; name its function instead")
    return found


def traced(found: Architecture | Program, settings: dict[str, Any]) -> Program:
    """The program of an architecture; what the user's function raises becomes one line."""
    if isinstance(found, Program):
        return found
    with _user_code():
        made = found(**settings)
    assert isinstance(made, Program)
    return made


def _from_zoo(name: str) -> Architecture:
    if name in zoo.names:
        return zoo.load(name)
    if any(mark in name for mark in "./\\"):
        raise NtksymError(f"{name!r} is not an architecture; write {FORMS}")
    if Path(f"{name}.py").exists():
        raise NtksymError(f"there is no architecture {name!r} in the zoo; did you mean the file {name}.py?")
    if name in activations:
        raise NtksymError(f"{name!r} is an activation, not an architecture; give it to one: mlp --phi {name}")
    raise NtksymError(f"there is no architecture {name!r} in the zoo{suggestion(name, zoo.names)}")


def _load_file(name: str) -> ModuleType:
    """Run a file as a module, without leaving a compiled copy beside it."""
    path = Path(name)
    try:
        source = path.read_bytes()
    except OSError as error:
        raise NtksymError(f"cannot read {name}: {error.strerror or error}") from None
    sys.path.insert(0, str(path.resolve().parent))
    module = ModuleType(f"ntksym_file_{path.stem}")
    module.__file__ = str(path)
    sys.modules[module.__name__] = module
    with _user_code():
        exec(_compiled(source, name), module.__dict__)
    return module


def _compiled(source: bytes, name: str) -> Any:
    try:
        return compile(source, name, "exec", dont_inherit=True)
    except (SyntaxError, ValueError) as error:  # ValueError: null bytes, in some releases of Python
        line, text = getattr(error, "lineno", None) or 1, getattr(error, "msg", error)
        raise NtksymError(f"{_shown(name)}:{line}: SyntaxError: {text}") from None


def _load_module(name: str) -> ModuleType:
    if not all(part.isidentifier() for part in name.split(".")):
        raise NtksymError(f"{name!r} is neither a file nor a module; write {FORMS}")
    sys.path.insert(0, os.getcwd())
    invalidate_caches()
    with _user_code():
        try:
            return import_module(name)
        except ModuleNotFoundError as error:
            if error.name is not None and f"{name}.".startswith(f"{error.name}."):
                raise NtksymError(f"there is no module {error.name} here or among the installed packages") from None
            raise


def _member(module: ModuleType, name: str, source: str) -> Architecture | Program:
    if not hasattr(module, name):
        has = list(_architectures(module))
        ends = suggestion(name, has) or "; it has no architecture"
        raise NtksymError(f"{source} has no function {name!r}{ends.replace('known:', 'it has:')}")
    found = getattr(module, name)
    if isinstance(found, Architecture | Program):
        return found
    if not inspect.isfunction(found):
        raise NtksymError(f"{name} in {source} is a {type(found).__name__}, not an architecture or a function")
    with _user_code():
        return program(found)


def _only_one(module: ModuleType, source: str) -> Architecture:
    found = _architectures(module)
    if len(found) == 1:
        return next(iter(found.values()))
    if not found:
        raise NtksymError(
            f"{source} has no architecture; write a function and annotate its input, as in x: ns.Vector('d')"
        )
    raise NtksymError(
        f"{source} has several architectures; name one: {', '.join(f'{source}:{name}' for name in found)}"
    )


def _architectures(module: ModuleType) -> dict[str, Architecture]:
    """What a module defines itself: decorated functions, or, if there are none, annotated ones."""
    decorated = {
        name: value
        for name, value in vars(module).items()
        if isinstance(value, Architecture) and value.function.__module__ == module.__name__
    }
    return decorated or dict(_annotated(module))


def _annotated(module: ModuleType) -> Iterator[tuple[str, Architecture]]:
    for name, value in vars(module).items():
        if inspect.isfunction(value) and value.__module__ == module.__name__ and not name.startswith("_"):
            try:
                yield name, program(value)
            except NtksymError:
                continue


@contextmanager
def _user_code() -> Iterator[None]:
    """Runs the user's code: what it prints goes to standard error, what it raises becomes one line."""
    try:
        with redirect_stdout(sys.stderr):
            yield
    except NtksymError as error:
        place = _place(error)
        if place is None or _HAS_A_LINE.match(str(error)):
            raise
        raise NtksymError(f"{place}: {error}") from None
    except SyntaxError as error:
        own = error.filename is not None and error.lineno is not None and not error.filename.startswith("<")
        place = f"{_shown(str(error.filename))}:{error.lineno}" if own else _place(error)
        raise NtksymError(f"{place}: SyntaxError: {error.msg}") from None
    except (Exception, SystemExit) as error:
        place = _place(error)
        if place is None:
            raise
        text = f"{type(error).__name__}: {error}".rstrip(": ")
        raise NtksymError(f"{place}: {text}{_meant(error)}") from None


def _meant(error: BaseException) -> str:
    """A close name where an attribute of a module is misspelt, as in ns.relux."""
    if isinstance(error, AttributeError) and isinstance(error.obj, ModuleType) and "did you mean" not in str(error):
        text = suggestion(error.name or "", (name for name in dir(error.obj) if not name.startswith("_")))
        return text if "did you mean" in text else ""
    return ""


def _place(error: BaseException) -> str | None:
    """The innermost line of the user's own code, as ``arch.py:12``."""
    steps = [(frame.f_code.co_filename, line) for frame, line in traceback.walk_tb(error.__traceback__)]
    theirs = [(name, line) for name, line in steps if not _is_machinery(name)]
    own = [(name, line) for name, line in theirs if "site-packages" not in name] or theirs
    return f"{_shown(own[-1][0])}:{own[-1][1]}" if own else None


def _is_machinery(name: str) -> bool:
    library = name.startswith(_LIBRARY) and "site-packages" not in name
    return library or name.startswith((_PACKAGE, "<frozen"))


def _shown(name: str) -> str:
    """A file's name as seen from here, where that is shorter."""
    relative = os.path.relpath(name)
    return relative if len(relative) < len(name) else name
