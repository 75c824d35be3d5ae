"""Directional derivatives of a network as further Gaussians: from which every 1/n tensor follows by one rule.

Move all weights along independent standard Gaussian directions a, b, c (scaled by the square roots of their learning
rates). A *jet* (S, i) is the derivative of a preactivation at site i along the directions S: ("", i) is the
preactivation itself, and the tangent kernel is the covariance of ("a", i) and ("a", j) over the direction. Given
everything before, the jets of a layer are exactly Gaussian, independent between coordinates, and their covariance is
the mean over the coordinates before of the *summand*

    Omega_(S,i)(T,j) = C_W s^S_i s^T_j + lambda_W sum_(d in S and T) s^(S-d)_i s^(T-d)_j,

with s^S the derivative of s = phi(z) along S. So jets form the same Markov chain of empirical kernels as preactivations
do, and its delta method gives vertices and corrections of all of them (compare Dyer and Gur-Ari 2020, arXiv:1909.11304,
and Roberts, Yaida and Hanin 2022, chapters 4, 8 and 11).

Everything here is algebra of polynomials in jets and in derivatives of phi; numbers come in elsewhere.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import combinations, permutations

Jet = tuple[str, int]
"""Directions (letters in order, "" for the value itself) and a site: an input at a place of the network."""
Pair = tuple[Jet, Jet]
Entry = tuple[Pair, Pair]
Orders = tuple[tuple[int, int], ...]
"""A product of derivatives of activations: which one, and of which order."""
DIRECTIONS = "abc"


@dataclass(frozen=True)
class Factor:
    """(d/dz)^derivative of a product of derivatives of activations at one site.

    ``orders`` holds (which activation, order). They are derivatives along weights, almost everywhere; ``derivative`` is
    that of Price's theorem, in the sense of distributions. For smooth activations there is no difference.
    """

    site: int
    orders: Orders
    derivative: int = 0


@dataclass(frozen=True)
class Term:
    """coefficient * C_W^weights * lambda_W^rates * product of factors * product of jets (those with directions)."""

    coefficient: float
    weights: int
    rates: int
    factors: tuple[Factor, ...]
    jets: tuple[Jet, ...]

    def __mul__(self, other: Term) -> Term:
        return Term(
            self.coefficient * other.coefficient,
            self.weights + other.weights,
            self.rates + other.rates,
            _product(self.factors, other.factors),
            tuple(sorted(self.jets + other.jets)),
        )


Terms = tuple[Term, ...]


def _product(left: tuple[Factor, ...], right: tuple[Factor, ...]) -> tuple[Factor, ...]:
    """Functions at one site are multiplied before they are differentiated."""
    found = {factor.site: factor for factor in left}
    for factor in right:
        old = found.get(factor.site)
        assert old is None or not (old.derivative or factor.derivative), "a derivative is not multiplied"
        orders = factor.orders if old is None else tuple(sorted(old.orders + factor.orders))
        found[factor.site] = replace(factor, orders=orders)
    return tuple(found[site] for site in sorted(found))


def times(left: Terms, right: Terms) -> Terms:
    """The product of two polynomials."""
    return tuple(a * b for a in left for b in right)


def partitions(directions: str) -> Iterator[tuple[str, ...]]:
    """All ways to part directions into blocks."""
    if not directions:
        yield ()
        return
    first, rest = directions[0], directions[1:]
    for size in range(len(rest) + 1):
        for block in combinations(rest, size):
            left = "".join(d for d in rest if d not in block)
            for others in partitions(left):
                yield (first + "".join(block), *others)


@lru_cache(maxsize=4096)
def activated(jet: Jet, phi: int) -> Terms:
    """s^S = the derivative of phi(z) along S: a sum over partitions of S (Faa di Bruno)."""
    directions, site = jet
    return tuple(
        Term(1, 0, 0, (Factor(site, ((phi, len(blocks)),)),), tuple(sorted((block, site) for block in blocks)))
        for blocks in partitions(directions)
    )


@lru_cache(maxsize=4096)
def summand(pair: Pair, phi: int) -> Terms:
    """Omega of two jets of what weights make of phi(z)."""
    (S, i), (T, j) = pair
    found = [replace(term, weights=1) for term in times(activated((S, i), phi), activated((T, j), phi))]
    for d in S:
        if d in T:
            rest = times(activated((S.replace(d, ""), i), phi), activated((T.replace(d, ""), j), phi))
            found += [replace(term, rates=1) for term in rest]
    return tuple(found)


def differentiated(terms: Terms, jet: Jet) -> Terms:
    """The derivative by one jet."""
    directions, site = jet
    found = []
    for term in terms:
        if directions:
            count = term.jets.count(jet)
            if count:
                k = term.jets.index(jet)
                jets = term.jets[:k] + term.jets[k + 1 :]
                found.append(replace(term, coefficient=count * term.coefficient, jets=jets))
            continue
        for k, factor in enumerate(term.factors):
            if factor.site == site:
                moved = replace(factor, derivative=factor.derivative + 1)
                found.append(replace(term, factors=(*term.factors[:k], moved, *term.factors[k + 1 :])))
    return tuple(found)


@dataclass(frozen=True)
class Mean:
    """coefficient * C_W^weights * lambda_W^rates * <factors> * product of kernels.

    ``kernels`` are (order, site, site): the covariance of two jets of that many directions, 1 for the tangent kernel.
    """

    coefficient: float
    weights: int
    rates: int
    factors: tuple[Factor, ...]
    kernels: tuple[tuple[int, int, int], ...]


@lru_cache(maxsize=65536)
def mean(terms: Terms) -> tuple[Mean, ...]:
    """The Gaussian mean: jets of different directions are independent, of one another and of the preactivations."""
    total: dict[tuple[object, ...], float] = {}
    for term in terms:
        for kernels in _pairings(term.jets):
            key = (term.weights, term.rates, term.factors, tuple(sorted(kernels)))
            total[key] = total.get(key, 0) + term.coefficient
    return tuple(Mean(c, *key) for key, c in total.items())  # type: ignore[arg-type]


def _pairings(jets: tuple[Jet, ...]) -> Iterator[tuple[tuple[int, int, int], ...]]:
    """All ways to pair jets of the same directions (Isserlis 1918)."""
    if not jets:
        yield ()
        return
    (S, i), *rest = jets
    for k, (T, j) in enumerate(rest):
        if S == T:
            for others in _pairings((*rest[:k], *rest[k + 1 :])):
                yield ((len(S), min(i, j), max(i, j)), *others)


# --- which covariances can move a mean ------------------------------------------------------------------------------


@lru_cache(maxsize=65536)
def slopes(terms: Terms) -> tuple[tuple[Pair, float, Terms], ...]:
    """The derivative of a mean by each covariance of two jets.

    Price's theorem: d<f>/dK_uv = <d_u d_v f>, half of it if u = v. Gives (pair, factor, differentiated polynomial)
    wherever that does not vanish identically.
    """
    jets = jets_of(terms)
    found = []
    for i, u in enumerate(jets):
        once = differentiated(terms, u)
        for v in jets[i:]:
            twice = differentiated(once, v)
            if twice:
                found.append(((u, v), 0.5 if u == v else 1.0, twice))
    return tuple(found)


def jets_of(terms: Terms) -> list[Jet]:
    """The jets that a polynomial depends on."""
    sites = {factor.site for term in terms for factor in term.factors}
    return sorted({("", site) for site in sites} | {jet for term in terms for jet in term.jets})


def is_even(*jets: Jet) -> bool:
    """Whether a moment of these may be other than zero: every direction must occur an even number of times."""
    letters = "".join(directions for directions, _ in jets)
    return all(letters.count(d) % 2 == 0 for d in DIRECTIONS)


@lru_cache(maxsize=65536)
def canonical(entry: Entry) -> Entry:
    """One name for all covariances that are equal because directions, and the members of a pair, may be exchanged."""
    letters = sorted({d for pair in entry for directions, _ in pair for d in directions})
    names = DIRECTIONS[: len(letters)]
    return min(_renamed(entry, dict(zip(letters, order, strict=True))) for order in permutations(names))


def _renamed(entry: Entry, names: dict[str, str]) -> Entry:
    def jet(old: Jet) -> Jet:
        return "".join(sorted(names[d] for d in old[0])), old[1]

    first, second = (tuple(sorted(map(jet, pair))) for pair in entry)
    return first, second  # type: ignore[return-value]
