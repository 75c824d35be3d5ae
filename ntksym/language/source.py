"""Where the user's own code is: the line that an error names."""

from __future__ import annotations

import inspect
import os
import sys
from collections.abc import Callable
from types import FrameType
from typing import Any

from ntksym.errors import ProgramError

# frames that are not the user's: the language, its generated code, and the reading of string annotations
_NOT_THE_USER = (os.path.dirname(os.path.abspath(__file__)) + os.sep, "<frozen", "<string>", inspect.__file__)


def user_line() -> str:
    """The innermost line outside of the language itself, as ``file.py:12``."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None:
        name = frame.f_code.co_filename
        if not name.startswith(_NOT_THE_USER):
            return f"{os.path.basename(name)}:{frame.f_lineno}"
        frame = frame.f_back
    return "?"


def defined_at(function: Callable[..., Any]) -> str:
    """Where a function of the user is defined, as ``file.py:12``."""
    code = function.__code__
    return f"{os.path.basename(code.co_filename)}:{code.co_firstlineno}"


def fail(message: str) -> ProgramError:
    """An error that names the user's own line: use as ``raise fail(...)``."""
    return ProgramError(f"{user_line()}: {message}")
