"""A mistake in shapes, names, numbers or activations names the user's own line, what was found, and the remedy."""

from collections.abc import Callable
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from ntksym import language as ns
from tests.language.mistakes import Mistakes, check

n, m, L = (ns.dim(name) for name in "nmL")
mistake = Mistakes()

# --- shapes -------------------------------------------------------------------------------------------


@mistake("lengths n and m", "ns.dense")
def sum_of_two_lengths(x: ns.Vector("d_in")):
    a, b = ns.dense(x, n, name="a"), ns.dense(x, m, name="b")
    return a + b  # here


@mistake("lengths m and n")
def product_of_two_lengths(x: ns.Vector(n)):
    return ns.dense(x, m, name="a") * x  # here


@mistake("the weight w (n x m) reads m coordinates", "[n] has n", "make the two equal")
def weight_of_another_width(x: ns.Vector(n)):
    w = ns.weight(x, "w", n, m)
    return ns.matmul(w, x)  # here


@mistake("(n x m) transposed reads n coordinates")
def transpose_of_another_width(x: ns.Vector(m)):
    w = ns.weight(x, "w", n, m)
    return ns.matmul(w, x, transpose=True)  # here


@mistake("ns.contract", "n coordinates meet m", "make the two equal")
def contraction_of_two_lengths(x: ns.Vector(n)):
    return ns.contract(x, ns.dense(x, m, name="a"))  # here


@mistake("position axis T has length T in one value and 5 in another")
def two_lengths_of_one_axis(x: ns.Sequence("T", n)):
    return x + ns.vector(x, "v", n, index=ns.Axis("T", ns.Size(Fraction(5))))  # here


@mistake("ns.softmax", "no position axis head", "[T; n] has: T")
def unknown_axis(x: ns.Sequence("T", n)):
    return ns.softmax(x, "head")  # here


@mistake("ns.split", "7 coordinates cannot be split into 2")
def uneven_split(x: ns.Vector(7)):
    return ns.split(x, "head", 2)  # here


@mistake("ns.split", "already has a position axis T", "another name")
def split_into_a_known_axis(x: ns.Sequence("T", n)):
    return ns.split(x, "T", 2)  # here


@mistake("ns.broadcast", "one number per position", "[n] has n")
def broadcast_of_a_vector(x: ns.Vector(n)):
    return ns.broadcast(x, m)  # here


@mistake("ns.pick", "T=5 has no position 5")
def pick_beyond_the_end(x: ns.Sequence(5, n)):
    return ns.pick(x, "T", 5)  # here


@mistake("a window of 4 does not fit into the 3 positions of row")
def window_beyond_the_edge(x: ns.Image(3, 9, n)):
    return ns.conv(x, n, 4, name="conv", padding="valid")  # here


@mistake("without padding along the axis T", "a number", 'padding="same"')
def symbolic_length_without_padding(x: ns.Sequence("T", n)):
    return ns.conv(x, n, 3, name="conv", padding="valid")  # here


@mistake("padding='full'", '"same", "valid" or "circular"')
def unknown_padding(x: ns.Sequence("T", n)):
    return ns.conv(x, n, 3, name="conv", padding="full")  # here


@mistake("ns.patches", "has no position axis")
def convolution_of_a_vector(x: ns.Vector(n)):
    return ns.conv(x, n, 3, name="conv")  # here


@mistake("2 kernel sizes for 1 axes")
def too_many_kernel_sizes(x: ns.Sequence("T", n)):
    return ns.conv(x, n, (3, 3), name="conv")  # here


@mistake("ns.pool", "has no position axis")
def pool_of_a_vector(x: ns.Vector(n)):
    return ns.global_avg_pool(x)  # here


@mistake("ns.merge", "T, T are not all different")
def merge_of_one_axis_twice(x: ns.Sequence("T", n)):
    return ns.merge(x, "T", "T")  # here


@mistake("ns.mask", "T of queries and S=2*T of keys", "equally long")
def mask_of_two_lengths(x: ns.Sequence("T", n)):
    keys = ns.split(x, "S", 2 * ns.fixed("T"))
    return ns.mask(keys, "T", "S")  # here


@mistake("ns.attention needs a position axis")
def attention_without_positions(x: ns.Vector(n)):
    return ns.attention(x, 2, name="attn")  # here


@mistake("ns.rnn needs a position axis that is time")
def recurrence_without_time(x: ns.Vector(n)):
    return ns.rnn(x, n, name="rnn")  # here


@mistake("ns.graph_conv", "axis of the features, T", "that of the graph, N", "same name")
def graph_of_another_axis(x: ns.Sequence("T", n), adjacency: ns.Graph("N")):
    return ns.graph_conv(x, adjacency, n, name="conv")  # here


# --- names --------------------------------------------------------------------------------------------


@mistake("ns.dense makes weights and has no name", 'name="hidden"')
def layer_without_a_name(x: ns.Vector(n)):
    return ns.dense(x, n)  # here


@mistake("the name a.w is already taken", "test_errors_in_layers.py:", "tie the two")
def name_used_twice(x: ns.Vector(n)):
    h = ns.dense(x, n, name="a")
    return ns.dense(h, n, name="a")  # here


@mistake("the name x is already taken")
def name_of_an_input(x: ns.Vector(n)):
    return x + ns.vector(x, "x", n)  # here


@mistake("the name block.a.w is already taken")
def two_blocks_of_one_name(x: ns.Vector(n)):
    def block(h):
        return ns.dense(h, n, name="a")  # here

    return ns.repeat(L, block, ns.repeat(L, block, x))


@mistake("'a b.w' is not made of letters")
def name_with_a_space(x: ns.Vector(n)):
    return ns.dense(x, n, name="a b")  # here


@mistake("two different dimensions are named n", "one is large", "the other finite with the size 3", "rename")
def two_dimensions_of_one_name(x: ns.Vector(n)):
    return ns.dense(x, ns.fixed("n", 3), name="a")  # here


@mistake("'my axis' is not a name for a position axis")
def axis_with_a_space(x: ns.Vector(n)):
    return ns.split(x, "my axis", 2)  # here


@mistake("sigma='sigma w' is neither a number nor the name of a symbol")
def sigma_with_a_space(x: ns.Vector(n)):
    return ns.dense(x, n, name="a", sigma_w="sigma w")  # here


# --- numbers and functions ----------------------------------------------------------------------------


@mistake("raised to the power 0.3", "an int, a half", "Fraction(1, 3)")
def float_power_of_a_dimension(x: ns.Vector(n)):
    return x * L**0.3  # here


@mistake("n and 1 cannot be added or subtracted", 'm = ns.dims("m")')
def sum_of_dimensions(x: ns.Vector(n)):
    return ns.dense(x, n + 1, name="a")  # here


@mistake("found 'n' for the rows of ns.dense", "a dimension from ns.dims")
def text_for_a_length(x: ns.Vector(n)):
    return ns.dense(x, "n", name="a")  # here


@mistake("found 0 for the rows of ns.dense", "positive whole number")
def layer_without_neurons(x: ns.Vector(n)):
    return ns.dense(x, 0, name="a")  # here


@mistake("divides by zero")
def division_by_zero(x: ns.Vector(n)):
    return x / 0  # here


@mistake("is not a finite number")
def infinite_scale(x: ns.Vector(n)):
    return x * float("inf")  # here


@mistake("found True for a coefficient")
def truth_as_a_number(x: ns.Vector(n)):
    return x * True  # here


@mistake("ns.dropout: the rate 1 is not a probability")
def drop_everything(x: ns.Vector(n)):
    return ns.dropout(x, 1)  # here


@mistake("init='xavier'", '"normal", "zeros" or "ones"')
def unknown_init(x: ns.Vector(n)):
    return ns.dense(x, n, name="a", init="xavier")  # here


@mistake("sigma=n is not a number", "coefficient of its values")
def sigma_with_a_dimension(x: ns.Vector(n)):
    return ns.dense(x, n, name="a", sigma_w=n)  # here


@mistake("no activation is named 'rellu'", "did you mean relu")
def misspelt_activation(x: ns.Vector(n)):
    return ns.map("rellu", x)  # here


@mistake('cannot read "__import__', "accepted are")
def code_for_an_activation(x: ns.Vector(n)):
    return ns.mlp_block(x, n, name="mlp", phi="__import__('os')")  # here


@mistake("found <ufunc 'tanh'> for an activation", "ns.relu")
def numpy_function_for_an_activation(x: ns.Vector(n)):
    return ns.map(np.tanh, x)  # here


@mistake("relu takes 1 value (z), but got 2")
def activation_of_two_values(x: ns.Vector(n)):
    return ns.map("relu", x, x)  # here


@mistake("a sum of no values", "ns.constant")
def empty_sum(x: ns.Vector(n)):
    return ns.linear()  # here


# --- a dimension where a whole number is needed -----------------------------------------------------------------


@mistake("kernel size is the dimension n", "finite", "whole number")
def large_kernel(x: ns.Image(8, 8, 3)):
    return ns.conv(x, n, n, name="c")  # here


@mistake("the stride is the dimension n", "finite")
def large_stride(x: ns.Image(8, 8, 3)):
    return ns.conv(x, n, 3, name="c", stride=n)  # here


@mistake("ns.pick: the index is the dimension n", "finite")
def large_index(x: ns.Sequence("T", 3)):
    return ns.pick(x, "T", n)  # here


@mistake("ns.shift: by is 1.5", "whole number")
def half_a_step(x: ns.Sequence("T", 3)):
    return ns.shift(x, "T", 1.5)  # here


@mistake("ns.shift: the length 0", "not positive")
def no_positions_left(x: ns.Sequence("T", 3)):
    return ns.shift(x, "T", 1, length=0)  # here


@mistake("cannot be indexed", "ns.pick")
def indexed_value(x: ns.Vector("d_in")):
    return ns.dense(x, n, name="a")[0]  # here


@pytest.mark.parametrize(("body", "parts"), mistake.cases)
def test_the_message_names_the_line_and_the_remedy(body: Callable[..., Any], parts: tuple[str, ...]) -> None:
    check(body, parts)
