"""``check_torch``: what a training set-up in PyTorch does as sizes grow."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction
from typing import Any

from ntksym._lazy import lazy
from ntksym.errors import FrameworkError
from ntksym.frameworks.torch.align import monomial
from ntksym.frameworks.torch.program import TorchProgram, points_of, read
from ntksym.language.types import MatrixType
from ntksym.scaling.optimizers import optimizers
from ntksym.scaling.recipe import RecipeReport, check_recipe

torch = lazy("torch")

_ENTRIES = 4096  # drawn of each matrix: its std is then known to 1.1 percent
_STEP = Fraction(1, 2)  # powers that initial weights follow in practice: -1, -1/2, 0
_SIGMAS = 5.0  # a true power is refused once in 10^6 entries of a table


def check_torch(
    build: Callable[..., Any],
    sizes: Mapping[str, Sequence[int]],
    inputs: Any,
    *,
    optimizer: str | None = None,
    batched: bool = True,
) -> RecipeReport:
    """What a training set-up does as sizes grow: its initial weights and learning rates against the derived ones.

    The structure is read as by ``from_torch``. The model and its optimizer are then built for real at each of the
    sizes, which are to be small: learning rates are those of the optimizer's groups, the std of initial weights is
    measured, on 4096 entries of each matrix or more (several builds where it has fewer). Its power is the nearest
    multiple of 1/2, and must agree with the measured slope within five standard errors. Vectors start as a program
    assumes (zero where they are added, one where they multiply) and are not measured.

    Args:
        build: ``build(n=64, L=2)`` returns the module and its optimizer.
        sizes, inputs, batched: as for ``from_torch``.
        optimizer: ntksym's name of the update rule, where it is not that of the optimizer's class.

    Returns:
        The report of ``check_recipe``: wrong entries, what each does, and a verdict on the whole.

    Raises:
        FrameworkError: the module cannot be read, or what is measured follows no power of a size.
    """
    points = points_of(sizes)
    made = [_made(build, point) for point in points]
    zeros = frozenset(name for name, p in made[0][0].named_parameters() if p.dim() > 1 and not p.detach().any())
    program = read(lambda **at: _made(build, at)[0], sizes, inputs, batched=batched, zeros=zeros)
    rates = [_rates(*pair) for pair in made]
    recipe: dict[str, dict[str, dict[str, Fraction]]] = {}
    for node in program.parameters:
        source, columns = program.sources[node.name], recipe.setdefault(node.name, {})
        if not node.attr("trainable"):
            continue
        lr = [rate.get(source.names(point)[0], 0.0) for rate, point in zip(rates, points, strict=True)]
        if any(lr):
            columns["lr"] = _powers(lr, points, f"the learning rate of {node.name}")
        if isinstance(node.type, MatrixType) and node.attr("value") != 0:
            columns["init_std"] = _std_powers(build, program, node.name, points)
    name = optimizer or _optimizer(made[0][1])
    return check_recipe(program, {"optimizer": name, "parameters": recipe})


def _made(build: Callable[..., Any], point: Mapping[str, int]) -> tuple[Any, Any]:
    made = build(**point)
    if not (isinstance(made, tuple) and len(made) == 2 and isinstance(made[0], torch.nn.Module)):
        raise FrameworkError(f"build returned {type(made).__name__}; expected a pair: the module, and its optimizer")
    return made


def _rates(model: Any, optimizer: Any) -> dict[str, float]:
    """The learning rate of each parameter by its name."""
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    return {
        names[id(p)]: float(group["lr"]) for group in optimizer.param_groups for p in group["params"] if id(p) in names
    }


def _optimizer(optimizer: Any) -> str:
    """The update rule of an optimizer's class."""
    name = type(optimizer).__name__.lower()
    if name == "sgd" and any(group.get("momentum") for group in optimizer.param_groups):
        name = "momentum"
    if name not in optimizers:
        raise FrameworkError(
            f"ntksym knows no update rule named {name}; say which it is: optimizer= one of "
            f"{', '.join(sorted(optimizers))}"
        )
    return name


def _powers(values: Sequence[float], points: Sequence[Mapping[str, int]], what: str) -> dict[str, Fraction]:
    """The powers of the dimensions that exact numbers follow."""
    found = monomial(values, points)
    if found is None:
        seen = ", ".join(f"{value:.4g}" for value in values)
        raise FrameworkError(f"{what} is {seen} at the sizes checked, which follows no power of {', '.join(points[0])}")
    return {dim.name: power for dim, power in found.powers}


def _std_powers(
    build: Callable[..., Any], program: TorchProgram, name: str, points: Sequence[Mapping[str, int]]
) -> dict[str, Fraction]:
    """The powers that a measured std follows: the multiples of 1/2 nearest to the slopes from the smallest sizes."""
    base = _std(build, program, name, points[0])
    out = {}
    for dim in points[0]:
        far = max((p for p in points if all(p[d] == points[0][d] for d in p if d != dim)), key=lambda p: p[dim])
        span = math.log(far[dim] / points[0][dim])
        slope = math.log(_std(build, program, name, far) / base) / span
        error = math.sqrt(1 / _ENTRIES) / span  # of the difference of two logarithms of a std
        power = round(slope / _STEP) * _STEP
        if abs(slope - power) > _SIGMAS * error:
            raise FrameworkError(
                f"the initial std of {name} grows like {dim}^{slope:.3g} (to {error:.1g}), which is no multiple of "
                f"{_STEP}; write the recipe by hand for ns.check_recipe"
            )
        out[dim] = power
    return out


def _std(build: Callable[..., Any], program: TorchProgram, name: str, point: Mapping[str, int]) -> float:
    """The root mean square of a matrix's initial entries, over all copies, and as many builds as it takes."""
    total, count, source = 0.0, 0, program.sources[name]
    while count < _ENTRIES:
        own = dict(_made(build, point)[0].named_parameters())
        for full in source.names(point):
            values = own[full].detach().double()
            total, count = total + float((values**2).sum()), count + values.numel()
    if not total:
        raise FrameworkError(f"the parameter {name} starts at zero at {dict(point)}, but not at the smallest sizes")
    return math.sqrt(total / count)
