"""Architectures with a mistake in one line, marked ``# here``, and what the message must say about it."""

import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ntksym import language as ns
from ntksym.errors import ProgramError

Mistake = Callable[[Callable[..., Any]], Callable[..., Any]]


def marked_line(function: Callable[..., Any]) -> str:
    """The place of the line that ends in ``# here``, as a message begins."""
    lines, start = inspect.getsourcelines(function)
    (offset,) = (i for i, line in enumerate(lines) if line.rstrip().endswith("# here"))
    return f"{Path(function.__code__.co_filename).name}:{start + offset}: "


def check(body: Callable[..., Any], parts: tuple[str, ...]) -> None:
    """The body of an architecture, or code without inputs, fails with a message that has all these parts."""
    with pytest.raises(ProgramError) as caught:
        ns.program(body)() if inspect.signature(body).parameters else body()
    message = str(caught.value)
    assert message.startswith(marked_line(body))
    assert "\n" not in message
    for part in parts:
        assert part in message


class Mistakes:
    """The mistakes of one test file, collected by decoration."""

    def __init__(self) -> None:
        self.cases: list[Any] = []

    def __call__(self, *parts: str) -> Mistake:
        def collect(body: Callable[..., Any]) -> Callable[..., Any]:
            self.cases.append(pytest.param(body, parts, id=body.__name__))
            return body

        return collect
