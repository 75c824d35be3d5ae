"""What parameters are called: a loop's body has one name for those that all copies have."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from ntksym.errors import FrameworkError


def inner_names(
    parameters: Mapping[str, tuple[str, tuple[str, ...]]], taken: Callable[[str], bool]
) -> tuple[str, dict[str, str]]:
    """The name of a loop, and the names of its parameters inside of it.

    Args:
        parameters: by full name in the first copy, the name in use so far and the full names in all copies.
        taken: whether something has this name.

    The loop is named by what all names have in common before they begin to differ from copy to copy; what differs
    (a number, as a rule) is left out where names stay different without it, and new.
    """
    parts, differing = {}, {}
    for name, (used, copies) in parameters.items():
        parts[name] = used.split(".")
        skipped = len(name.split(".")) - len(parts[name])
        columns = list(zip(*(copy.split(".") for copy in copies), strict=True))
        differing[name] = {i - skipped for i, column in enumerate(columns) if len(set(column)) > 1}
    common = []
    for column in zip(*(names[: min(differing[n], default=len(names))] for n, names in parts.items()), strict=False):
        if len(set(column)) > 1:
            break
        common.append(column[0])
    skip = len(common)
    short = {
        name: ".".join(part for i, part in enumerate(names) if i >= skip and i not in differing[name])
        for name, names in parts.items()
    }
    scope = ".".join(common) or "block"
    known = any(taken(f"{scope}.{name}") for name in short.values())
    if known or len(set(short.values())) < len(short) or not all(short.values()):
        short = {name: ".".join(names[skip:]) for name, names in parts.items()}
    return scope, short


@dataclass(frozen=True)
class Seen:
    """A parameter as it was met: its name in the module, which copy of each loop around it, and the sizes."""

    name: str
    copy: tuple[int, ...]
    sizes: Mapping[str, int]


@dataclass(frozen=True)
class Pattern:
    """Names of a parameter in all copies and at all sizes: text with numbers that depend linearly on both.

    ``numbers`` holds for each number in the text its value in the first copy at size zero, the step from copy to copy
    of each loop, and the step with each dimension.
    """

    text: str
    numbers: tuple[tuple[int, tuple[int, ...], tuple[tuple[str, int], ...]], ...]

    def at(self, copy: tuple[int, ...], sizes: Mapping[str, int]) -> str:
        """The name of one copy."""
        values = (
            start + sum(a * b for a, b in zip(by_copy, copy, strict=True)) + sum(by * sizes[d] for d, by in by_size)
            for start, by_copy, by_size in self.numbers
        )
        return self.text.format(*values)


def pattern(seen: Sequence[Seen]) -> Pattern:
    """The pattern of the names that one parameter was met under, the first copy at the smallest sizes first.

    Raises FrameworkError where numbers do not depend linearly on the copy and the sizes.
    """
    loops = len(seen[0].copy)
    texts = {_NUMBER.sub("{}", one.name.replace("{", "{{").replace("}", "}}")) for one in seen}
    found = None
    if len(texts) == 1:
        columns = zip(*(tuple(int(number) for number in _NUMBER.findall(one.name)) for one in seen), strict=True)
        found = Pattern(texts.pop(), tuple(_linear(column, seen, loops) for column in columns))
    if found is None or any(found.at(one.copy, one.sizes) != one.name for one in seen):
        names = ", ".join(dict.fromkeys(one.name for one in seen))
        raise FrameworkError(
            f"the names {names} of one parameter in several copies follow no pattern; number the copies"
        )
    return found


_NUMBER = re.compile(r"\d+")
"""A number in a name, such as those of ``layers.0.conv1`` and ``encoder_layer_0``."""


def _linear(
    column: tuple[int, ...], seen: Sequence[Seen], loops: int
) -> tuple[int, tuple[int, ...], tuple[tuple[str, int], ...]]:
    """Start and steps of one number, from copies and sizes that differ in one thing only."""
    base, sizes = seen[0].copy, seen[0].sizes
    by_copy = [0] * loops
    by_size = dict.fromkeys(sizes, 0)
    for number, one in zip(column, seen, strict=True):
        if one.sizes == sizes:
            moved = [i for i in range(loops) if one.copy[i] != base[i]]
            if len(moved) == 1:
                by_copy[moved[0]] = (number - column[0]) // one.copy[moved[0]]
        elif one.copy == base:
            changed = [name for name in sizes if one.sizes[name] != sizes[name]]
            if len(changed) == 1:
                by_size[changed[0]] = (number - column[0]) // (one.sizes[changed[0]] - sizes[changed[0]])
    start = column[0] - sum(by * sizes[name] for name, by in by_size.items())
    return start, tuple(by_copy), tuple((name, by) for name, by in by_size.items() if by)
