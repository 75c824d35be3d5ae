"""``ntksym train``: wide networks in training, by theory, and finite networks over it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any

from ntksym._lazy import lazy
from ntksym.cli.budget import DEFAULT_SEED, Plot, Seed, Widths, seed_of, widths_of
from ntksym.cli.inputs import program_and_numbers, read_data
from ntksym.cli.options import Arch, Assignments, Depth, Format, Output, Phi, SigmaB, SigmaW, option
from ntksym.cli.output import Answer, answer, format_of, write_whole
from ntksym.cli.settings import positive
from ntksym.errors import NtksymError
from ntksym.language.interpret_sizes import Numbers
from ntksym.reporting.figures import image, image_format

if TYPE_CHECKING:
    from ntksym.language.program import Program

np = lazy("numpy")
linear = lazy("ntksym.dynamics.linear")
curves = lazy("ntksym.validation.training_curves")
examples = lazy("ntksym.validation.data")

DIGITS, DEFAULT_INPUTS, DEFAULT_STEPS, DEFAULT_SAMPLES = "digits", 32, 100, 4
MOST_TESTS = 16


def train_command(
    arch: Arch = None,
    data: Annotated[
        str,
        option(
            metavar="FILE",
            help=f"Inputs and, in the last column, targets: .csv or .npy; handwritten {DIGITS} if not given.",
        ),
    ] = DIGITS,
    inputs: Annotated[
        int,
        option(
            metavar="N", min=1, help=f"How many inputs to train on, others are tests; {DEFAULT_INPUTS} if not given."
        ),
    ] = DEFAULT_INPUTS,
    lr: Annotated[
        str | None,
        option(metavar="X", help="The learning rate; half of the largest stable one."),
    ] = None,
    momentum: Annotated[float, option(metavar="X", help="Momentum, from 0 and below 1; none if not given.")] = 0.0,
    steps: Annotated[int, option(metavar="N", min=1, help=f"Training steps; {DEFAULT_STEPS}.")] = DEFAULT_STEPS,
    widths: Widths = None,
    samples: Annotated[
        int,
        option(metavar="N", min=2, help=f"Networks of each width; {DEFAULT_SAMPLES} if not given."),
    ] = DEFAULT_SAMPLES,
    seed: Seed = DEFAULT_SEED,
    assignments: Assignments = None,
    phi: Phi = None,
    depth: Depth = None,
    sigma_w: SigmaW = None,
    sigma_b: SigmaB = None,
    format: Format = None,
    output: Output = None,
    plot: Plot = None,
) -> Answer:
    """Train networks beside the dynamics of infinite width.

    Of several widths; infinitely wide ones follow linear dynamics.
    """
    shown, picture = format_of(format, output), None if plot is None else image_format(plot)
    chosen = curves.WIDTHS if widths is None else widths_of(widths)
    start = seed_of(seed)
    rate = None if lr is None else float(positive(lr, "--lr"))
    program, sizes, sigmas = program_and_numbers(
        arch, assignments or [], {"phi": phi, "depth": depth}, sigma_w=sigma_w, sigma_b=sigma_b
    )
    x, y = _examples(data, program, sizes)
    if not inputs < len(x):
        raise NtksymError(f"--inputs {inputs}: {data} holds {len(x)} examples, and one at least is for tests")
    known = {**sizes, **sigmas}
    x, y, test = x[:inputs], y[:inputs], x[inputs : inputs + MOST_TESTS]
    record = linear.linear_dynamics(program, x, y, test, lr=rate or 1.0, momentum=momentum, **known)
    if rate is None:
        record = record.with_rate(record.largest_stable_rate / 2)
    found = curves.training_curves(
        program, record, steps=steps, widths=chosen, samples=samples, sizes=sizes, sigmas=sigmas, seed=start
    )
    if plot is not None and picture is not None:
        write_whole(plot, image(found, picture))
    return answer(shown, output, found.to_table(), found.to_json)


def _examples(name: str, program: Program, sizes: Mapping[str, Any]) -> tuple[Any, Any]:
    """Inputs and targets, real ones; classes become one where they are right, less their share."""
    if name != DIGITS:
        (node, *others) = program.inputs
        if others or node.attr("kind") != "vector":
            raise NtksymError(f"{name} holds vectors with a target behind, and {program.name} takes other inputs")
        table = read_data(name, program, sizes)
        if table.shape[1] < 2:
            raise NtksymError(f"{name}: found one number in a line, expected an input and, as the last one, its target")
        return np.asarray(table[:, :-1], dtype=float), np.asarray(table[:, -1:], dtype=float)
    found = examples.data_for(program, Numbers(program, examples.sizes_for(program, sizes)))
    (array, *others) = found.inputs.values()
    if others or found.targets.ndim > 2:
        raise NtksymError(f"{program.name} has several inputs or an output with positions; train it in Python")
    if found.loss == "mse":
        return array, found.targets
    classes = int(found.targets.max()) + 1
    return array, np.eye(classes)[found.targets] - 1 / classes
