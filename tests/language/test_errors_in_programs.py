"""A misused value, a body that does not fit, a wrong declaration: the message names the user's own line."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ntksym import language as ns
from ntksym.errors import ProgramError
from tests.language.mistakes import Mistakes, check, marked_line

n, m, L = (ns.dim(name) for name in "nmL")
mistake = Mistakes()

# --- values -------------------------------------------------------------------------------------------


@mistake("made inside a repeat or scan body", "return it from the body")
def value_escapes_a_repeat(x: ns.Vector(n)):
    kept = []

    def block(h):
        kept.append(h * 2)
        return h

    h = ns.repeat(L, block, x)
    return h + kept[0]  # here


@mistake("made inside a repeat or scan body")
def weight_escapes_a_scan(x: ns.Sequence("T", n)):
    kept = []

    def step(h, x):
        kept.append(ns.weight(h, "w", n, n))
        return ns.matmul(kept[0], h) + x

    h = ns.scan(step, ns.constant(x, 0, n), x, "T")
    return ns.matmul(kept[0], h)  # here


_elsewhere: list[ns.Value] = []


@ns.program
def another(x: ns.Vector(n)):
    _elsewhere.append(x)
    return x


@mistake("a value of one program is used in another", "call the architecture inside")
def value_of_another_program(x: ns.Vector(n)):
    another()
    return x + _elsewhere[-1]  # here


@mistake("a value of one program is used in another")
def product_with_a_value_of_another_program(x: ns.Vector(n)):
    another()
    return x * _elsewhere[-1]  # here


@mistake("got the program another", "another(x)")
def program_as_a_value(x: ns.Vector(n)):
    return ns.layernorm(another())  # here


@mistake("no truth value")
def branch_on_a_value(x: ns.Vector(n)):
    return x if x else -x  # here


@mistake("cannot be iterated", "ns.split")
def loop_over_a_value(x: ns.Vector(n)):
    a, b = x  # here
    return a + b


@mistake("ns.normalise got 3 where a value")
def number_as_a_value(x: ns.Vector(n)):
    return ns.layernorm(3)  # here


@mistake("ns.dense got the weight w", "ns.matmul")
def weight_as_a_value(x: ns.Vector(n)):
    w = ns.weight(x, "w", n, n)
    return ns.dense(w, n, name="a")  # here


@mistake("ns.matmul takes a weight first")
def value_as_a_weight(x: ns.Vector(n)):
    return ns.matmul(x, x)  # here


@mistake("got array(", "where a value")
def array_in_a_sum(x: ns.Vector(n)):
    return x + np.zeros((2, 1))  # here


@mistake("ns.lookup reads token indices", "[n]")
def lookup_of_numbers(x: ns.Vector(n)):
    return ns.lookup(ns.weight(x, "w", n, n), x)  # here


# --- loops --------------------------------------------------------------------------------------------


@mistake("ns.repeat: the body takes a value [n] and returns [m]", "must agree")
def repeat_changes_the_width(x: ns.Vector(n)):
    def block(h):
        return ns.dense(h, m, name="a")

    return ns.repeat(L, block, x)  # here


@mistake("ns.repeat: the body takes a value [T; n] and returns [n]")
def repeat_changes_the_axes(x: ns.Sequence("T", n)):
    return ns.repeat(L, lambda h: ns.pool(h, "T"), x)  # here


@mistake("ns.repeat: the body takes a value [row=4; n] and returns [row=2; n]")
def repeat_changes_a_length(x: ns.Image(4, 1, n)):
    h = ns.pick(x, "col", 0)
    return ns.repeat(L, lambda h: ns.avg_pool(h), h)  # here


@mistake("ns.repeat: the body carries 2 values and returns 1")
def repeat_loses_a_value(x: ns.Vector(n)):
    return ns.repeat(L, lambda a, b: a + b, (x, x))  # here


@mistake("ns.repeat", "body returns", "got None")
def repeat_without_a_return(x: ns.Vector(n)):
    return ns.repeat(L, lambda h: None, x)  # here


@mistake("ns.repeat: 2.5 is not a number of blocks")
def repeat_half_a_block(x: ns.Vector(n)):
    return ns.repeat(2.5, lambda h: h, x)  # here


@mistake("ns.scan: the body takes a value [n] and returns [m]")
def scan_changes_the_width(x: ns.Sequence("T", n)):
    return ns.scan(lambda h, x: ns.dense(h + x, m, name="a"), ns.constant(x, 0, n), x, "T")  # here


@mistake("ns.scan: the state [T; n] must not have the position axis T")
def scan_with_time_in_its_state(x: ns.Sequence("T", n)):
    return ns.scan(lambda h, x: h, x, x, "T")  # here


# --- the architecture itself --------------------------------------------------------------------------


@mistake("another takes no keyword 'phi'", "it takes: none")
def unknown_keyword():
    another(phi="relu")  # here


@mistake("another takes 1 values (x), but got 2")
def too_many_values(x: ns.Vector(n)):
    return another(x, x)  # here


@mistake("another got 3 where a value")
def architecture_of_a_number(x: ns.Vector(n)):
    return another(3)  # here


@mistake("the input x of net needs an annotation", 'x: ns.Vector("d_in")')
def missing_annotation():
    @ns.program  # here
    def net(x):
        return x


@mistake("the input x of net needs an annotation")
def annotation_of_another_kind():
    @ns.program  # here
    def net(x: int):
        return x


@mistake("the keyword phi of net needs a default")
def keyword_without_a_default():
    @ns.program  # here
    def net(x: ns.Vector(n), *, phi):
        return x


@mistake("net takes no input", "annotate one")
def no_input():
    @ns.program  # here
    def net(*, depth=3):
        return depth


@mistake("net takes *xs", "name each argument")
def starred_inputs():
    @ns.program  # here
    def net(*xs):
        return xs


@mistake("makes an architecture of a function, but got 3")
def program_of_a_number():
    ns.program(3)  # here


@mistake("net returned NoneType", "is a return missing?")
def missing_return():
    @ns.program  # here
    def net(x: ns.Vector(n)):
        ns.layernorm(x)

    net()


@mistake("net returned list", "returns the traced value")
def list_returned():
    @ns.program  # here
    def net(x: ns.Vector(n)):
        return [x]

    net()


@mistake("net calls itself without end", "ns.repeat for depth")
def recursion():
    @ns.program  # here
    def net(x: ns.Vector(n)):
        return net(x * 2)

    net()


@mistake("net calls itself without end")
def recursion_without_values():
    @ns.program  # here
    def net(x: ns.Vector(n)):
        return x + net()

    net()


@mistake("found 0 for a length")
def empty_input():
    ns.Vector(0)  # here


@mistake("'d in' is not a name for a dimension")
def dimension_with_a_space():
    ns.Vector("d in")  # here


@mistake("the dimension n is defined through itself")
def circular_relation():
    ns.dim("n", equals=2 * n)  # here


@pytest.mark.parametrize(("body", "parts"), mistake.cases)
def test_the_message_names_the_line_and_the_remedy(body: Callable[..., Any], parts: tuple[str, ...]) -> None:
    check(body, parts)


@pytest.mark.parametrize(
    "use",
    [
        lambda tokens: ns.dense(tokens, n, name="a"),
        lambda tokens: tokens + tokens,
        lambda tokens: tokens * 2,
        lambda tokens: tokens * tokens,
        lambda tokens: tokens - 1,
        lambda tokens: ns.map("relu", tokens),
        lambda tokens: ns.layernorm(tokens),
        lambda tokens: ns.contract(tokens, tokens),
        lambda tokens: ns.mix(tokens, tokens, "T"),
        lambda tokens: ns.pool(tokens, "T"),
        lambda tokens: ns.softmax(tokens, "T"),
        lambda tokens: ns.shift(tokens, "T"),
        lambda tokens: ns.merge(tokens, "T"),
        lambda tokens: ns.repeat(L, lambda t: t, tokens),
        lambda tokens: ns.scan(lambda h, t: h, tokens, tokens, "T"),
    ],
)
def test_tokens_are_no_numbers(use: Callable[[ns.Value], ns.Value]) -> None:
    @ns.program
    def net(tokens: ns.Tokens("T")):
        return use(tokens)

    with pytest.raises(ProgramError, match=r"got token indices; look them up first: ns.embedding") as caught:
        net()
    assert str(caught.value).startswith(f"{Path(__file__).name}:{use.__code__.co_firstlineno}: ")


def test_an_error_names_the_innermost_line_of_the_user() -> None:
    def layer(x: ns.Value) -> ns.Value:
        return ns.dense(x, m, name="layer") + x  # here

    @ns.program
    def net(x: ns.Vector(n)):
        return ns.repeat(L, layer, x)

    with pytest.raises(ProgramError) as caught:
        net()
    assert str(caught.value).startswith(marked_line(layer))
