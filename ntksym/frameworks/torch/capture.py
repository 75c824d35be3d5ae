"""From a PyTorch module to a graph of steps, through ``torch.export``; nothing is computed."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from ntksym._lazy import lazy
from ntksym.errors import FrameworkError
from ntksym.frameworks.torch.graph import Buffer, Graph, Parameter, Ref, Step, arguments

torch = lazy("torch")
exporting = lazy("torch.export")


def capture(build: Callable[..., Any], inputs: Any, sizes: Mapping[str, int]) -> Graph:
    """The graph of ``build(**sizes)``, built and exported on the meta device, where tensors have no storage.

    Raises FrameworkError where the module is not built, or its forward pass depends on data.
    """
    with torch.device("meta"):
        module = build(**sizes)
        example = inputs(**sizes) if callable(inputs) else inputs
    if not isinstance(module, torch.nn.Module):
        raise FrameworkError(
            f"build({_call(sizes)}) returned {type(module).__name__}; expected a torch.nn.Module "
            "(there is no reader for Flax or Equinox: write such a network with @ns.program)"
        )
    example = tuple(example) if isinstance(example, tuple | list) else (example,)
    if not all(isinstance(tensor, torch.Tensor) for tensor in example):
        raise FrameworkError(
            "the inputs are an example of what forward takes: a tensor, or a tuple such as (torch.zeros(2, 64),)"
        )
    module = module.to("meta")
    example = tuple(tensor.to("meta") for tensor in example)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of torch's own parts about each other; ours are errors, in one line
            exported = exporting.export(module, example, strict=False).run_decompositions({})
    except Exception as error:
        reason = " ".join(str(error).split())
        raise FrameworkError(
            f"torch.export cannot follow {type(module).__name__} at {_call(sizes)}: {reason[:300]} "
            "(a forward pass that branches on data, or whose shapes depend on it, has no graph: replace that part)"
        ) from error
    return _graph(exported, type(module).__name__)


def _call(sizes: Mapping[str, int]) -> str:
    return ", ".join(f"{name}={size}" for name, size in sizes.items())


def _graph(exported: Any, name: str) -> Graph:
    """Steps of an exported program that an output needs, numbered from zero."""
    tied = _first_names(exported)
    known: dict[Any, Any] = {}
    steps: list[Step] = []
    specs = {spec.arg.name: spec for spec in exported.graph_signature.input_specs}
    for node in exported.graph.nodes:
        if node.op == "placeholder":
            spec, tensor = specs[node.name], node.meta.get("val")
            if spec.kind.name == "PARAMETER":
                original = exported.state_dict[spec.target]
                known[node] = Parameter(tied[spec.target], tuple(tensor.shape), original.requires_grad)
            elif spec.kind.name == "USER_INPUT" and isinstance(tensor, torch.Tensor):
                real = tensor.dtype.is_floating_point
                step = Step(len(steps), "input", (("name", spec.arg.name), ("real", real)), tuple(tensor.shape), "")
                steps.append(step)
                known[node] = Ref(step.id)
            else:
                known[node] = Buffer(spec.target or spec.arg.name, tuple(getattr(tensor, "shape", ())))
        elif node.op == "call_function":
            step = Step(len(steps), _op(node.target), _arguments(node, known), _shape(node), _where(node))
            steps.append(step)
            known[node] = Ref(step.id)
    named = {node.name: ref for node, ref in known.items()}
    outputs = [
        named[spec.arg.name]
        for spec in exported.graph_signature.output_specs
        if spec.kind.name == "USER_OUTPUT" and getattr(spec.arg, "name", None) in named
    ]
    results = [ref.id for ref in outputs if isinstance(ref, Ref)]
    if not results:
        raise FrameworkError(
            "the module returns no tensor that depends on its inputs; forward returns its output first"
        )
    return _needed(name, steps, results[0])


def _needed(name: str, steps: list[Step], output: int) -> Graph:
    """Inputs and the steps that the output depends on, numbered anew."""
    wanted = {output}
    for step in reversed(steps):
        if step.id in wanted:
            wanted.update(ref.id for ref in arguments(step, Ref))
    kept = [step for step in steps if step.id in wanted or step.op == "input"]
    new = {step.id: number for number, step in enumerate(kept)}

    def change(value: Any) -> Any:
        if isinstance(value, tuple):
            return tuple(change(part) for part in value)
        return Ref(new[value.id]) if isinstance(value, Ref) else value

    return Graph(
        name,
        tuple(
            replace(step, id=new[step.id], args=tuple((name, change(value)) for name, value in step.args))
            for step in kept
        ),
        new[output],
    )


def _first_names(exported: Any) -> dict[str, str]:
    """The name that a parameter goes by: the first of those it has, where several modules share it."""
    first: dict[int, str] = {}
    return {name: first.setdefault(id(tensor), name) for name, tensor in exported.state_dict.items()}


def _op(target: Any) -> str:
    schema = getattr(target, "_schema", None)
    if schema is None:
        return str(getattr(target, "__name__", target))
    space, _, name = schema.name.partition("::")
    return str(name if space == "aten" else schema.name)


def _arguments(node: Any, known: dict[Any, Any]) -> tuple[tuple[str, Any], ...]:
    schema = getattr(node.target, "_schema", None)
    if schema is None:
        return tuple((f"arg{i}", _plain(value, known)) for i, value in enumerate(node.args))
    given = dict(zip((a.name for a in schema.arguments), node.args, strict=False)) | dict(node.kwargs)
    out = []
    for argument in schema.arguments:
        value = given.get(argument.name, argument.default_value)
        out.append((argument.name, _plain(value, known)))
    return tuple(out)


def _plain(value: Any, known: dict[Any, Any]) -> Any:
    """An argument as a plain value: references for nodes, tuples for lists, texts for what is no number."""
    if isinstance(value, list | tuple):
        return tuple(_plain(item, known) for item in value)
    if isinstance(value, torch.fx.Node):
        return known[value]
    return value if value is None or isinstance(value, bool | int | float | str) else str(value)


def _shape(node: Any) -> tuple[Any, ...]:
    """The shape of a step's result; shapes for several results.

    Raises FrameworkError for a length that depends on data.
    """
    value = node.meta.get("val")
    several = isinstance(value, list | tuple)
    shapes = [tuple(getattr(item, "shape", ())) for item in (value if several else [value])]
    if any(not isinstance(length, int) for shape in shapes for length in shape):
        raise FrameworkError(
            f"{_where(node) or 'the module'}: the operation {_op(node.target)} makes a tensor whose shape depends on "
            "data; a program has fixed axes: masks instead of selections, graphs that are normalised once before "
            "(GCNConv(..., normalize=False) after transforms.GCNNorm)"
        )
    return tuple(shapes) if several else shapes[0]


def _where(node: Any) -> str:
    """The path of the innermost module that the operation stands in."""
    stack = list((node.meta.get("nn_module_stack") or {}).values())
    return str(stack[-1][0]) if stack else ""
