"""Routing to the k best of E experts: what stands between scores and the weighted sum of the experts' answers.

A module picks k experts for each token, sorts tokens by expert, and multiplies each with the matrix of its own. The
program has the answers of all E experts, and weights that are zero for those that were not chosen. In a tensor the k
answers lie on an atom of size k of the experts' axis.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum

from ntksym.errors import FrameworkError
from ntksym.frameworks.torch.layout import Atom, Dims, Tensor, to_positions
from ntksym.language.dims import Size
from ntksym.language.ops import mix, softmax, top_k


@dataclass(frozen=True)
class Routing:
    """Which ``k`` places of the last dimension of ``scores``, an axis of experts, answer each token."""

    scores: Tensor
    k: Size

    @property
    def experts(self) -> Atom:
        return self.scores.dims[-1][0]

    @property
    def choice(self) -> Atom:
        """The chosen experts: k of all."""
        return Atom(self.experts.name, self.k, of=self.experts.size)

    @property
    def tokens(self) -> Dims:
        return self.scores.dims[:-1]

    def weights(self, *, soft: bool = False) -> Gates:
        """The scores of the chosen experts over their sum; after a softmax over the chosen ones, of all their scores.

        A softmax over the k best is that over all, with what is left renormalised.
        """
        value = softmax(self.scores.value, self.experts.name) if soft else self.scores.value
        return Gates(Tensor(top_k(value, self.experts.name, self.k), (), (*self.tokens, (self.choice,))))


def routing(scores: Tensor, k: Size) -> Routing:
    """Raises FrameworkError where the scores do not lie along one axis."""
    if not scores.dims or len(scores.dims[-1]) != 1:
        raise FrameworkError("it chooses along an axis that is a product of axes, or one entry")
    return Routing(to_positions(scores, scores.dims[-1]), k)


class About(Enum):
    """What a tensor says of the chosen experts, where it is no value of the program."""

    SCORES = "the scores of the chosen experts, which can be read where they are divided by their sum"
    TOTAL = "the sum of the scores of the chosen experts"
    EXPERTS = "the numbers of the chosen experts"
    SORTED = "the sorted numbers of the chosen experts"
    ORDER = "tokens in the order of their experts"
    TOKENS = "the tokens that experts answer"
    COUNTS = "how many tokens each expert answers"
    OFFSETS = "where the tokens of each expert end"
    BACK = "the order of tokens before they were sorted"
    KEPT = "the scores of all experts, minus infinity for those that are not chosen"


@dataclass(frozen=True)
class Chosen:
    """Something about the chosen experts; ``flat`` where all tokens stand in one dimension, with all their experts."""

    about: About
    of: Routing
    flat: bool = False
    partial = True

    @property
    def words(self) -> str:
        return self.about.value

    def now(self, about: About) -> Chosen:
        return replace(self, about=about)


@dataclass(frozen=True)
class Gates:
    """The weights of the chosen experts, which add up to one."""

    tensor: Tensor
    partial = True
    words = "the weights of the chosen experts"

    def of_all(self) -> Tensor:
        """The same for all experts, zero for those that are not chosen."""
        *tokens, (choice,) = self.tensor.dims
        return replace(self.tensor, dims=(*tokens, (Atom(choice.name, choice.axis.size),)))


@dataclass(frozen=True)
class Whether:
    """Which of the chosen experts is this one; ``gates`` are their weights, once these were multiplied by it."""

    choice: Atom
    expert: int
    gates: Gates | None = None
    partial = True
    words = "which of the chosen experts is a certain one"


@dataclass(frozen=True)
class Gated:
    """Answers of the chosen experts times their weights, to be added up."""

    gates: Tensor
    answers: Tensor
    partial = True
    words = "weighted answers of experts"

    def added(self, choice: Atom) -> Tensor:
        """The sum over the chosen experts; both have the dimension of the choice alone or last in another."""
        dims = tuple(tuple(atom for atom in dim if atom != choice) for dim in self.answers.dims)
        return Tensor(mix(self.gates.value, self.answers.value, choice.name), self.answers.coord, dims)
