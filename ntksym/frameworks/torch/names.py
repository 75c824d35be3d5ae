"""What parameters are called: a loop's body has one name for those that all copies have."""

from __future__ import annotations

from collections.abc import Mapping


def inner_names(parameters: Mapping[str, tuple[str, tuple[str, ...]]]) -> tuple[str, dict[str, str]]:
    """The name of a loop, and the names of its parameters inside of it.

    Args:
        parameters: by full name in the first copy, the name in use so far and the full names in all copies.

    The loop is named by what all names have in common before they begin to differ from copy to copy; what differs
    (a number, as a rule) is left out where names stay different without it.
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
    if len(set(short.values())) < len(short) or not all(short.values()):
        short = {name: ".".join(names[skip:]) for name, names in parts.items()}
    return ".".join(common) or "block", short
