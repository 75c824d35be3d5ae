"""A table's numbers given to a PyTorch model: parameter groups, initial weights, multipliers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from ntksym._lazy import lazy
from ntksym.errors import FrameworkError, ScalingError
from ntksym.frameworks.torch.program import Source, TorchProgram
from ntksym.language.dims import Number, as_size
from ntksym.language.printing import labels
from ntksym.scaling.numbers import Numbers
from ntksym.scaling.table import ScalingTable

torch = lazy("torch")

_WRAPPERS = ("_orig_mod.", "_fsdp_wrapped_module.", "_checkpoint_wrapped_module.", "module.")
"""What compile, FSDP, activation checkpointing and data parallelism put into the names of parameters."""

_DEEPEST = 10_000


def param_groups(
    model: Any,
    table: ScalingTable,
    *,
    lr: float,
    base: Mapping[str, Number],
    eps: float = 1e-8,
    weight_decay: float = 0.0,
    sizes: Mapping[str, int] | None = None,
) -> list[dict[str, Any]]:
    """What an optimizer of PyTorch takes: plain dictionaries of parameters with their learning rate, ε and decay.

    They hold references to the model's own parameters and numbers, nothing else, so they work with ``torch.compile``,
    FSDP2 and checkpoints; parameters with equal numbers share a group. Frozen ones are left out.

    Args:
        model: the module at the size that is to be trained.
        table: the scaling table of a program that ``from_torch`` read.
        lr, eps, weight_decay: the values that were tuned at the sizes ``base``.
        base: those sizes, of every large dimension.
        sizes: the model's own sizes, found from its shapes and the number of its parameters if left out.

    Raises:
        FrameworkError: the model is not the one that the table was derived for, or its sizes cannot be found.
        ScalingError: a base of an unknown dimension.

    Example:
        >>> import torch
        >>> import ntksym as ns
        >>> def build(n):
        ...     return torch.nn.Sequential(torch.nn.Linear(64, n), torch.nn.ReLU(), torch.nn.Linear(n, 10))
        ...
        >>> program = ns.from_torch(build, {"n": (64, 128)}, lambda n: (torch.zeros(8, 64),))
        >>> groups = ns.param_groups(build(256), ns.scaling_table(program), lr=1e-3, base={"n": 128})
        >>> for group in groups:
        ...     print(group["lr"], [tuple(weight.shape) for weight in group["params"]])
        ...
        0.001 [(256, 64), (256,)]
        0.0005 [(10, 256)]
        0.001 [(10,)]
    """
    numbers = torch_numbers(model, table, lr=lr, base=base, eps=eps, weight_decay=weight_decay, sizes=sizes)
    return numbers.groups(_own(model))


def torch_numbers(
    model: Any,
    table: ScalingTable,
    *,
    lr: float,
    base: Mapping[str, Number],
    eps: float = 1e-8,
    weight_decay: float = 0.0,
    sizes: Mapping[str, int] | None = None,
) -> Numbers:
    """The numbers that ``param_groups`` gives to a model, as a record to be written to a file (``to_toml``).

    Every row has the names of the model's own parameters, so a training script needs the file and nothing else:
    ``Numbers.from_json(tomllib.loads(text)).groups(dict(model.named_parameters()))``. Takes and raises what
    ``param_groups`` does.
    """
    program, sizes = _program(table), _sizes(model, table, sizes)
    numbers, places = _numbers(table, sizes, base, lr=lr, eps=eps, weight_decay=weight_decay), _places(program)
    for _ in _parameters(model, program, sizes):
        pass  # raises where the model does not fit
    rows = (
        replace(
            row,
            tied=tuple((places.get(at, at), by) for at, by in row.tied),
            tensors=program.sources[row.name].names(sizes),
        )
        for row in numbers.parameters
    )
    return replace(numbers, parameters=tuple(rows))


def apply_init(
    model: Any, table: ScalingTable, *, base: Mapping[str, Number], sizes: Mapping[str, int] | None = None
) -> None:
    """Draw a model's initial weights anew, in place: N(0, std²) with the table's std, zeros and ones where it says so.

    At the sizes ``base`` the std of a matrix is one over the root of its fan-in. Draws come from PyTorch's own
    generator, so ``torch.manual_seed`` repeats them. A module on the meta device has nothing to draw: call this after
    ``to_empty``. Raises as ``param_groups`` does.
    """
    program, sizes = _program(table), _sizes(model, table, sizes)
    numbers = _numbers(table, sizes, base)
    for name, parameters in _parameters(model, program, sizes):
        std = numbers[name].init_std
        assert not isinstance(std, str), "a program of from_torch has no dimension without a size"
        for parameter in parameters:
            with torch.no_grad():
                if table[name].init == "ones":
                    parameter.fill_(1.0)
                else:
                    parameter.normal_(0.0, std) if std else parameter.zero_()


def multipliers(
    model: Any, table: ScalingTable, *, base: Mapping[str, Number], sizes: Mapping[str, int] | None = None
) -> str:
    """The changes to the forward pass that a table asks for, for a person to make: one line for each factor but one.

    Nothing is patched: a factor is a line of the model's own code. A parameter that is used in two ways (an embedding
    tied to the readout) has one for each use. Raises as ``param_groups`` does.
    """
    program, sizes = _program(table), _sizes(model, table, sizes)
    numbers, places = _numbers(table, sizes, base), _places(program)
    lines = []
    for row in numbers.parameters:
        name = program.sources[row.name].names(sizes)[0]
        if row.multiplier != 1:
            lines.append(f"multiply every use of {name} by {row.multiplier:.6g}")
        lines += [f"multiply what {name} makes in {places.get(at, at)} by {by:.6g}" for at, by in row.tied if by != 1]
    return "\n".join(lines)


def _places(program: TorchProgram) -> dict[str, str]:
    """The module that each value of the program's listing is made in."""
    return {label: program.nodes[key].source for key, label in labels(program).items()}


def _program(table: ScalingTable) -> TorchProgram:
    program = table.origin.program if table.origin else None
    if not isinstance(program, TorchProgram):
        raise FrameworkError(
            f"the table of {table.program} was not derived for a PyTorch module; "
            "read it first: table = ns.scaling_table(ns.from_torch(build, sizes, inputs))"
        )
    return program


def _numbers(table: ScalingTable, sizes: Mapping[str, int], base: Mapping[str, Number], **tuned: float) -> Numbers:
    missing = [name for name in table.large if name not in base]
    if missing:
        raise ScalingError(f"no base is given for {', '.join(missing)}: at which size was the learning rate tuned?")
    return table.at(base=base, **tuned, **sizes)


def _parameters(model: Any, program: TorchProgram, sizes: Mapping[str, int]) -> Iterator[tuple[str, list[Any]]]:
    """The model's parameters by the program's names; raises FrameworkError where the two do not fit."""
    own = _own(model)
    for name, source in program.sources.items():
        names = source.names(sizes)
        for full in names:
            if full not in own:
                raise FrameworkError(
                    f"the model has no parameter {full} at {_text(sizes)}; is it the one of the table?"
                )
            expected = tuple(round(as_size(length).value(sizes)) for length in source.shape)
            if tuple(own[full].shape) != expected:
                raise FrameworkError(
                    f"the parameter {full} has the shape {tuple(own[full].shape)}; "
                    f"expected {expected} at {_text(sizes)}"
                )
        yield name, [own.pop(full) for full in names]
    left = [name for name, parameter in own.items() if parameter.requires_grad]
    if left:
        raise FrameworkError(
            f"the output does not depend on the parameter {left[0]}, so the table has no row for it; freeze it "
            f"(requires_grad_(False)) or remove it{f' (and {len(left) - 1} more)' if len(left) > 1 else ''}"
        )


def _own(model: Any) -> dict[str, Any]:
    """A model's parameters by name, without what wrappers put into it; shared ones once."""
    out = {}
    for name, parameter in model.named_parameters():
        for wrapper in _WRAPPERS:
            name = name.replace(wrapper, "")
        out[name] = parameter
    return out


def _sizes(model: Any, table: ScalingTable, given: Mapping[str, int] | None) -> dict[str, int]:
    """The model's sizes: those given, widths from shapes, a depth from the number of parameters."""
    program = _program(table)
    own, sizes = _own(model), dict(given or {})
    for name in [name for name in program.sizes if name not in sizes and not _is_width(name, program)]:
        counts = (k for k in range(1, _DEEPEST) if _count(program, {**program.sizes, **sizes, name: k}) == len(own))
        found = next(counts, None)
        if found is not None:
            sizes[name] = found
    for name in [name for name in program.sizes if name not in sizes]:
        found = next(_lengths(name, program, own, sizes), None)
        if found is not None:
            sizes[name] = found
    missing = [name for name in program.sizes if name not in sizes]
    if missing:
        raise FrameworkError(
            f"the size {missing[0]} of the model cannot be found; give it: sizes={{{missing[0]!r}: ...}}"
        )
    return sizes


def _is_width(name: str, program: TorchProgram) -> bool:
    return any(
        dim.name == name for s in program.sources.values() for length in s.shape for dim in as_size(length).dims()
    )


def _count(program: TorchProgram, sizes: Mapping[str, int]) -> int:
    return sum(len(source.names(sizes)) for source in program.sources.values())


def _lengths(name: str, program: TorchProgram, own: Mapping[str, Any], sizes: Mapping[str, int]) -> Iterator[int]:
    """The values of one dimension that the lengths of the model's parameters say, where they depend on it alone."""
    for source in program.sources.values():
        full = _first_name(source, {**program.sizes, **sizes})
        if full not in own or len(own[full].shape) != len(source.shape):
            continue
        for length, found in zip(source.shape, own[full].shape, strict=True):
            powers = as_size(length).powers
            if len(powers) == 1 and powers[0][0].name == name:
                yield round((found / float(as_size(length).coefficient)) ** (1 / float(powers[0][1])))


def _first_name(source: Source, sizes: Mapping[str, int]) -> str:
    return source.pattern.at((0,) * len(source.times), sizes)


def _text(sizes: Mapping[str, int]) -> str:
    return ", ".join(f"{name} = {size}" for name, size in sizes.items())
