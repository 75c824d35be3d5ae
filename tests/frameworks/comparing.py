"""A program that was read beside its module, and beside the same architecture written in the language."""

import re

import numpy as np
import pytest

import ntksym as ns

torch = pytest.importorskip("torch")

COLUMNS = ("multiplier", "init_std", "lr", "eps", "weight_decay")


def same_rows(mine, theirs, names):
    """Two tables agree in every entry of the parameters that stand for each other."""
    assert {row.name for row in mine.parameters} == set(names)
    assert {row.name for row in theirs.parameters} == set(names.values())
    for one, other in names.items():
        for column in COLUMNS:
            assert str(mine[one].column(column)) == str(theirs[other].column(column)), (one, column)
    assert mine.verdict.regime == theirs.verdict.regime


def loaded(model, program, sizes):
    """Weights of the program at these sizes, biases too, after they have been copied into the module."""
    biased = any(node.attr("sigma") == "sigma_b" for node in program.parameters)
    weights = ns.draw(program, sizes, seed=1, **({"sigma_b": 1.0} if biased else {}))
    own = dict(model.named_parameters())
    for name, source in program.sources.items():
        copies = [array for key, array in weights.items() if re.sub(r"\[\d+\]", "", key) == name]
        for full, array in zip(source.names(sizes), copies, strict=True):
            shape = tuple(own[full].shape)
            long = tuple(length for length in shape if length > 1)
            if len(shape) == 4 and array.shape[-1] == shape[0]:  # a vector of channels for each offset
                array = array.T
            elif len(shape) == 4:  # the language has a window's offsets before its channels
                array = array.reshape(shape[0], *shape[2:], shape[1]).transpose(0, 3, 1, 2)
            elif array.squeeze().ndim == len(long) and array.squeeze().shape != long:
                array = array.T
            own[full].data = torch.tensor(array.reshape(shape))
    return weights


def same(build, sizes, at, inputs, *, training=False, **options):
    """The greatest difference between the two, over the size of the output; ``training`` is the module's mode."""
    example = tuple(x.float() if x.is_floating_point() else x for x in inputs)
    program = ns.from_torch(lambda **point: build(**point).train(training), sizes, example, **options)
    model = build(**at).double().train(training)
    for part in model.modules():
        if hasattr(part, "eps"):
            part.eps = 1e-30  # nothing beside what is normalised; batch normalisation refuses zero
    weights = loaded(model, program, at)
    with torch.no_grad():
        expected = model(*inputs).numpy()
    given = {node.name: x.numpy() for node, x in zip(program.inputs, inputs, strict=True)}
    for node in program.inputs:
        if node.attr("kind") == "image":
            given[node.name] = given[node.name].transpose(0, 2, 3, 1)
        if node.type.axis("batch"):
            given[node.name] = given[node.name][None]
    found = np.asarray(ns.run(program, weights, given, at)).reshape(expected.shape)
    return np.abs(found - expected).max() / np.abs(expected).max()
