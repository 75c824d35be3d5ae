"""Mixtures of experts: the k best of them, dispatch of tokens to experts and back, a matrix for each expert."""

from __future__ import annotations

from dataclasses import replace

from ntksym.errors import FrameworkError
from ntksym.frameworks.torch.graph import Step
from ntksym.frameworks.torch.layout import Atoms, Tensor, lengths, reshape
from ntksym.frameworks.torch.read import Constant, Given, Operand, Reader, Trained, rule
from ntksym.frameworks.torch.routing import About, Chosen, Gated, Gates, Whether, routing
from ntksym.frameworks.torch.rules.elementwise import described, is_number, tensors
from ntksym.frameworks.torch.rules.inputs import COPIES, getitem, same
from ntksym.frameworks.torch.rules.sums import apply
from ntksym.frameworks.torch.rules.views import VIEWS, dimension
from ntksym.language.dims import as_size
from ntksym.language.ops_axes import pick

rule(*COPIES, of=(Chosen, Gates, Gated, Whether))(same)
rule("getitem", of=(Chosen,))(getitem)


@rule("topk")
def best(reader: Reader, given: Given, step: Step) -> Operand:
    """The k largest entries of the last dimension, and their places."""
    (x,) = tensors(given["self"])
    if not given["largest"] or dimension(given["dim"], len(x.dims)) != len(x.dims) - 1:
        raise FrameworkError("it chooses the smallest entries, or along another dimension than the last")
    found = routing(x, as_size(given["k"]))
    return Chosen(About.SCORES, found), Chosen(About.EXPERTS, found)


def about(x: Operand, *expected: About) -> Chosen:
    """An operand that must be one of these; raises FrameworkError that says what it is."""
    if not isinstance(x, Chosen) or x.about not in expected:
        raise FrameworkError(f"it meets {described(x)}; expected {' or '.join(one.value for one in expected)}")
    return x


# --- weights of the chosen experts -----------------------------------------------------------------------


@rule("sum", of=(Chosen,))
def total(reader: Reader, given: Given, step: Step) -> Operand:
    x = about(given["self"], About.SCORES)
    if not given["keepdim"] or given["dim"] not in ((-1,), (len(x.of.tokens),)):
        raise FrameworkError("scores of experts are added over another dimension, or without keepdim=True")
    return x.now(About.TOTAL)


@rule("add", of=(Chosen,))
def shifted(reader: Reader, given: Given, step: Step) -> Operand:
    """The small number that keeps a sum from being zero."""
    if not is_number(given["other"]):
        raise FrameworkError(f"it adds {described(given['other'])} to {described(given['self'])}")
    return about(given["self"], About.TOTAL)


@rule("div", of=(Chosen,))
def divided(reader: Reader, given: Given, step: Step) -> Operand:
    """Scores over their sum."""
    if "rounding_mode" in given and given["rounding_mode"] == "floor":
        return token_of(reader, given, step)
    scores, by = about(given["self"], About.SCORES), about(given["other"], About.TOTAL)
    if scores.of != by.of:
        raise FrameworkError("scores of experts are divided by the sum of others")
    return scores.of.weights()


@rule("softmax", "_softmax", of=(Chosen,))
def softened(reader: Reader, given: Given, step: Step) -> Operand:
    """A softmax over the chosen experts; the same over all, where the others were set to minus infinity."""
    x = about(given["self"], About.SCORES, About.KEPT)
    if dimension(given["dim"], len(x.of.tokens) + 1) != len(x.of.tokens):
        raise FrameworkError("a softmax of the scores of experts over another dimension")
    gates = x.of.weights(soft=True)
    return gates if x.about is About.SCORES else gates.of_all()


@rule("scatter", of=(Chosen, Gates))
def scattered(reader: Reader, given: Given, step: Step) -> Operand:
    """The weights of the chosen experts among zeros, or their scores among minus infinities."""
    around, x, at = given["self"], given["src"], about(given["index"], About.EXPERTS)
    last = not at.flat and dimension(given["dim"], len(step.shape)) == len(at.of.tokens)
    number = around.value if isinstance(around, Constant) else None
    if last and isinstance(x, Gates) and number == 0:
        return x.of_all()
    if last and isinstance(x, Chosen) and x == at.now(About.SCORES) and number == float("-inf"):
        return x.now(About.KEPT)
    raise FrameworkError(
        f"{described(x)} are put among {described(around)}; expected zeros, or minus infinity (scores)"
    )


@rule("eq", of=(Chosen,))
def one_expert(reader: Reader, given: Given, step: Step) -> Operand:
    """Where a certain expert is among the chosen ones."""
    x = about(given["self"], About.EXPERTS)
    if x.flat or not is_number(given["other"]):
        raise FrameworkError("the numbers of the chosen experts are compared with what is no number")
    return Whether(x.of.choice, int(given["other"]))


@rule("mul", of=(Whether,))
def masked_weights(reader: Reader, given: Given, step: Step) -> Operand:
    """The weight of a certain expert, at its place among the chosen ones."""
    x, gates = given["self"], given["other"]
    if isinstance(gates, Whether):
        x, gates = gates, x
    if not isinstance(gates, Gates) or gates.tensor.dims[-1] != (x.choice,) or x.gates:
        raise FrameworkError(f"it meets {x.words}; expected {Gates.words}")
    return replace(x, gates=gates)


@rule("sum", of=(Whether,))
def weight_of_one(reader: Reader, given: Given, step: Step) -> Operand:
    """The weight of a certain expert, zero for tokens that have not chosen it."""
    x = given["self"]
    dims = x.gates.tensor.dims if x.gates else ()
    if not dims or [dimension(i, len(dims)) for i in given["dim"]] != [len(dims) - 1]:
        raise FrameworkError(f"{x.words} is added up, which can be read for their weights, over the last dimension")
    value = pick(x.gates.tensor.value, dims[-1][0].name, x.expert)
    return Tensor(value, (), (*dims[:-1], ()) if given["keepdim"] else dims[:-1])


@rule(*VIEWS, of=(Gates, Gated))
def viewed(reader: Reader, given: Given, step: Step) -> Operand:
    x, shape = given["self"], lengths(step.shape)
    if isinstance(x, Gates):
        return Gates(reshape(x.tensor, shape, reader.names))
    return replace(x, answers=reshape(x.answers, shape, reader.names))


@rule("mul", of=(Gates,))
def gated(reader: Reader, given: Given, step: Step) -> Operand:
    """The answers of the chosen experts times their weights."""
    x, y = given["self"], given["other"]
    if isinstance(y, Whether):
        return masked_weights(reader, given, step)
    gates, other = (x.tensor, y) if isinstance(x, Gates) else (y.tensor, x)
    (answers,) = tensors(other)
    first = tuple(dim for dim in gates.dims if dim)
    if len(gates.dims) != len(answers.dims) or answers.dims[: len(first)] != first:
        raise FrameworkError("weights of the chosen experts meet what is not an answer of each")
    return Gated(gates, answers)


@rule("sum", of=(Gated,))
def added(reader: Reader, given: Given, step: Step) -> Operand:
    """The sum over the chosen experts."""
    x = given["self"]
    which = [dimension(i, len(x.answers.dims)) for i in given["dim"]]
    dim: Atoms = x.answers.dims[which[0]] if len(which) == 1 else ()
    if len(dim) != 1 or not dim[0].of or given["keepdim"]:
        raise FrameworkError("weighted answers of experts are added over another dimension than that of the experts")
    made = x.added(dim[0])
    return replace(made, dims=tuple(d for i, d in enumerate(made.dims) if i not in which))


# --- tokens to experts and back --------------------------------------------------------------------------


@rule(*VIEWS, of=(Chosen,))
def flattened(reader: Reader, given: Given, step: Step) -> Operand:
    """All tokens with all their experts in one dimension."""
    x = about(given["self"], About.EXPERTS)
    if len(step.shape) != 1:
        raise FrameworkError("the numbers of the chosen experts are viewed; only all in one dimension can be read")
    return replace(x, flat=True)


def flat(x: Operand) -> Chosen:
    chosen = about(x, About.EXPERTS, About.ORDER)
    if not chosen.flat:
        raise FrameworkError("it sorts the experts of each token; expected all tokens in one dimension")
    return chosen


@rule("sort", "argsort", of=(Chosen,))
def sorted_by_expert(reader: Reader, given: Given, step: Step) -> Operand:
    """Tokens in the order of their experts; the order of that order leads back."""
    x = flat(given["self"])
    order = x.now(About.ORDER if x.about is About.EXPERTS else About.BACK)
    return order if step.op == "argsort" else (x.now(About.SORTED), order)


@rule("floor_divide", of=(Chosen,))
def token_of(reader: Reader, given: Given, step: Step) -> Operand:
    """A place among tokens with k experts each, over k, is the place of the token."""
    x, k = about(given["self"], About.ORDER), given["other"]
    if not is_number(k) or not as_size(k).same(x.of.k):
        raise FrameworkError(f"places of tokens with {x.of.k} experts each are divided by {described(k)}")
    return x.now(About.TOKENS)


@rule("histc", "bincount", of=(Chosen,))
def counted(reader: Reader, given: Given, step: Step) -> Operand:
    return about(given["self"], About.SORTED, About.EXPERTS).now(About.COUNTS)


@rule("cumsum", of=(Chosen,))
def ends(reader: Reader, given: Given, step: Step) -> Operand:
    return about(given["self"], About.COUNTS).now(About.OFFSETS)


@rule("empty_like", "zeros_like", of=(Chosen,))
def empty(reader: Reader, given: Given, step: Step) -> Operand:
    return Constant(step.shape)


@rule("index_put", of=(Chosen,))
def inverted(reader: Reader, given: Given, step: Step) -> Operand:
    """Numbers in order, put to where the order says: the order before."""
    if not isinstance(given["self"], Constant) or not isinstance(given["values"], Constant):
        raise FrameworkError("entries are replaced")
    return about(given["indices"][0], About.ORDER).now(About.BACK)


@rule("index", of=(Chosen, Gates, Gated))
def indexed(reader: Reader, given: Given, step: Step) -> Operand:
    """Tokens of each expert, or in another order; the matrix of the expert of each token.

    The order of tokens is none of the program's: each is answered on its own.
    """
    x, (at,) = given["self"], given["indices"]
    if isinstance(x, Trained):
        return _theirs(reader, x, about(at, About.EXPERTS, About.SORTED))
    at = about(at, About.TOKENS, About.ORDER, About.BACK)
    if isinstance(x, Tensor) and at.about is About.TOKENS:
        return replace(x, dims=((*x.dims[0], at.of.choice), *x.dims[1:]))
    inner = x.tensor if isinstance(x, Gates) else x.answers if isinstance(x, Gated) else x
    if not isinstance(inner, Tensor) or at.of.choice not in inner.dims[0]:
        raise FrameworkError(f"{described(x)} is brought into {at.words}")
    return x


def _theirs(reader: Reader, x: Trained, at: Chosen) -> Operand:
    """What is a parameter of each expert, along the experts of each token."""
    choice = at.of.choice
    if not x.shape[0].same(at.of.experts.size):
        raise FrameworkError(
            f"the parameter {x.parameter.name} has {x.shape[0]} places for {at.of.experts.size} experts"
        )
    if len(x.order) == 3:
        return replace(x, along=(choice,))
    if len(x.order) != 2:
        raise FrameworkError(f"the parameter {x.parameter.name} is neither a matrix nor a vector of each expert")
    made = (reader.names.atom(x.shape[1]),)
    y = reader.vector(x, ((choice,), made), made, "normal")
    return replace(y, dims=((*(atom for dim in at.of.tokens for atom in dim), choice), made))


@rule("repeat_interleave")
def repeated(reader: Reader, given: Given, step: Step) -> Operand:
    """Each entry of a dimension several times in a row."""
    (x,) = tensors(given["self"])
    if not is_number(given["repeats"]) or given["dim"] is None:
        raise FrameworkError("each entry is repeated a number of times of its own")
    dim = dimension(given["dim"], len(x.dims))
    new = (*x.dims[dim], reader.names.atom(as_size(given["repeats"])))
    return replace(x, dims=(*x.dims[:dim], new, *x.dims[dim + 1 :]))


@rule("transformers::grouped_mm_fallback", "_grouped_mm", "grouped_mm", of=(Chosen,))
def of_experts(reader: Reader, given: Given, step: Step) -> Operand:
    """The matrix of each expert times the tokens that it answers."""
    x, w = (given.get(a, given.get(b)) for a, b in (("input", "self"), ("weight", "mat2")))
    at = about(given["offs"], About.OFFSETS)
    (x,) = tensors(x)
    if not isinstance(w, Trained) or len(w.order) != 3:
        raise FrameworkError(f"its matrices are {described(w)}; expected a parameter of three dimensions")
    return apply(reader, replace(w, along=(at.of.choice,)), x, 1, over=1, index=(0,))
