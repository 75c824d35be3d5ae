"""Data for every program: shapes that its types ask for, contents that are what they are said to be."""

from __future__ import annotations

import numpy as np
import pytest

from ntksym import language as ns
from ntksym import zoo
from ntksym.errors import NtksymError, SamplingError
from ntksym.language.interpret_sizes import Numbers
from ntksym.validation.data import Data, data_for, given_data, sizes_for
from ntksym.validation.data.digits import digits, resized
from ntksym.validation.data.text import characters, continued, prose, surrounded

pytest.importorskip("jax", reason='needs the extra "networks"')
sklearn = pytest.importorskip("sklearn", reason='needs the extra "sklearn"')

n = ns.dims("n")


def data_of(program: ns.Program, **sizes: int) -> tuple[Data, Numbers]:
    numbers = Numbers(program, sizes_for(program, sizes))
    return data_for(program, numbers), numbers


@pytest.mark.parametrize("name", zoo.names)
def test_every_architecture_gets_data_that_fits(name: str) -> None:
    program = zoo.load(name)()
    data, numbers = data_of(program)
    (inputs, targets), second = data.batches(program, numbers, 5, 2, seed=1)
    for node in program.inputs:
        shape = numbers.shape(node.type)
        shape = shape[:-1] if node.attr("kind") == "graph" else shape
        batched = shape if node.attr("kind") == "graph" else (5, *shape)
        assert inputs[node.name].shape == batched
    output = (5, *numbers.shape(program.outputs[0].type))
    assert targets.shape == (output if data.loss == "mse" else output[:-1])
    if data.loss == "cross_entropy":
        assert 0 <= targets.min() <= targets.max() < output[-1]
    assert not np.array_equal(targets, second[1]) or not all(np.array_equal(inputs[k], second[0][k]) for k in inputs)
    again = data.batches(program, numbers, 5, 2, seed=1)
    assert np.array_equal(again[0][1], targets)


def test_digits_are_standardised_and_keep_their_pixels() -> None:
    images, labels = digits()
    assert images.shape == (1797, 8, 8)
    assert abs(images.mean()) < 1e-12
    assert images.std() == pytest.approx(1)
    assert sorted(set(labels.tolist())) == list(range(10))
    assert np.array_equal(resized(images, 8, 8), images)
    straight = np.broadcast_to(np.arange(8.0), (1, 8, 8))
    assert np.allclose(resized(straight, 3, 15), np.linspace(0, 7, 15))


def test_a_vector_is_asked_for_the_digit() -> None:
    images, labels = digits()
    one, _ = data_of(zoo.load("mlp")())
    ten, _ = data_of(zoo.load("mlp")(d_out=10))
    assert np.array_equal(one.inputs["x"], images.reshape(-1, 64))
    assert np.array_equal(one.targets[:, 0], np.where(labels % 2 == 0, 1.0, -1.0))
    assert np.array_equal(ten.targets, labels)


def test_every_place_of_a_text_is_asked_for_what_follows() -> None:
    text, count = prose()
    assert count < 64
    windows, following = continued(text, 16)
    assert np.array_equal(windows[1:, 0], following[:-1, 0])
    assert np.array_equal(windows[7, 1:], following[7, :-1])
    data, numbers = data_of(zoo.load("transformer")())
    assert numbers.sizes["vocab"] == count
    assert np.array_equal(data.targets, following)


def test_a_context_is_asked_for_the_character_in_its_middle() -> None:
    text = np.arange(20)
    contexts, middle = surrounded(text, 4)
    assert contexts[3].tolist() == [3, 4, 6, 7]
    assert middle[3] == 5


def test_rare_characters_share_the_last_index() -> None:
    text = characters(5)
    assert set(text.tolist()) == set(range(5))
    assert np.bincount(prose()[0])[:4].tolist() == np.bincount(text)[:4].tolist()


def test_the_output_with_the_shape_of_the_input_is_the_image_without_noise() -> None:
    data, _ = data_of(zoo.load("dit")())
    noise = data.inputs["patches"] - data.targets
    assert data.loss == "mse"
    assert noise.std() == pytest.approx(1, abs=0.01)


def test_sizes_come_from_the_data_where_none_are_given() -> None:
    @ns.program
    def net(x: ns.Sequence("T", "d")) -> ns.Value:
        L = ns.dim("L")
        h = ns.repeat(L, lambda h: h + L**-0.5 * ns.dense(h, n, name="up"), ns.dense(x, n, name="embed"))
        return ns.dense(h, ns.fixed("classes"), name="readout")

    assert sizes_for(net(), {"n": 5}) == {"n": 5, "T": 8, "d": 8, "L": 2, "classes": 8}


def test_a_person_gives_data() -> None:
    program = zoo.load("mlp")(d_out=3)
    x, y = np.zeros((4, 64)), np.array([0, 1, 2, 0])
    assert given_data(program, (x, y)).loss == "cross_entropy"
    assert given_data(program, ({"x": x}, np.zeros((4, 3)))).loss == "mse"
    numbers = Numbers(program, {"n": 4})
    with pytest.raises(SamplingError, match="a batch of 5 does not fit into 4 examples"):
        given_data(program, (x, y)).batches(program, numbers, 5, 1, 0)
    with pytest.raises(SamplingError, match=r"data is a pair \(inputs, targets\)"):
        given_data(program, x)  # type: ignore[arg-type]
    with pytest.raises(SamplingError, match="mlp has the inputs x"):
        given_data(program, ({"y": x}, y))


def test_a_program_that_no_data_fits_says_so() -> None:
    @ns.program
    def two(x: ns.Vector(3), tokens: ns.Tokens(4)) -> ns.Value:
        h, _ = ns.embedding(tokens, n, name="embed", vocab=7)
        return ns.dense(ns.pool(h, "T"), 2, name="out") + ns.dense(x, 2, name="side")

    with pytest.raises(NtksymError, match=r"no data fits its inputs and outputs; give data="):
        data_of(two())
