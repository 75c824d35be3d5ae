"""The tensors of order 1/n by name: which covariances, or means, of jets they are.

Index conventions are those of the field (Roberts, Yaida and Hanin 2022; Yaida 2022): a tensor with the indices 1324 has
its entries at [x1, x3, x2, x4]. Of two pairs of jets the first belong to one coordinate, the second to another:

    connected z z z z   delta12 delta34 V_(12)(34) + two permutations
    z z dH              delta12 delta34 D_1234 + delta13 delta24 F_1324 + delta14 delta23 F_1423
    Cov(H, H)           delta12 delta34 A_(12)(34) + delta13 delta24 B_1324 + delta14 delta23 B_1423

with H the tangent kernel of the finite network. P, Q, R, S, T, U are the same for its differentials in training,
dH_012 = sum z0_mn z1_m z2_n and the second ones, z0_mnr z1_m z2_n z3_r and z1_mn z2_mr z3_n z4_r (m, n, r: weights).
"""

from __future__ import annotations

from dataclasses import dataclass

from ntksym.finite.jets import Entry, Pair


@dataclass(frozen=True)
class Vertex:
    """The covariance of two empirical covariances of jets: ``directions`` of the four jets in the order of indices.

    ``partner`` is the place of the jet that is in one pair with the first.
    """

    name: str
    indices: str
    meaning: str
    directions: tuple[str, str, str, str]
    partner: int = 1

    def entry(self, *inputs: int) -> Entry:
        """The covariance at four inputs, in the order of the tensor's indices."""
        jets = list(zip(self.directions, inputs, strict=True))
        first = (jets[0], jets[self.partner])
        second = tuple(jet for k, jet in enumerate(jets) if k not in (0, self.partner))
        return first, (second[0], second[1])

    @property
    def order(self) -> int:
        """The highest derivative of an activation in it."""
        return max(map(len, self.directions))


@dataclass(frozen=True)
class Correction:
    """n times the deviation of a mean covariance of two jets from its limit."""

    name: str
    indices: str
    meaning: str
    direction: str

    def pair(self, a: int, b: int) -> Pair:
        """The covariance at two inputs."""
        return (self.direction, a), (self.direction, b)

    @property
    def order(self) -> int:
        """The highest derivative of an activation in it."""
        return len(self.direction)


CORRECTIONS = {
    made.name: made
    for made in (
        Correction("G1", "12", "mean of the kernel", ""),
        Correction("Theta1", "12", "mean of the tangent kernel", "a"),
    )
}
VERTICES = {
    made.name: made
    for made in (
        Vertex("V", "(12)(34)", "four-point vertex of preactivations", ("", "", "", "")),
        Vertex("D", "1234", "preactivations with the tangent kernel, coordinates apart", ("", "", "a", "a")),
        Vertex("F", "1324", "preactivations with the tangent kernel between them", ("", "a", "", "a")),
        Vertex("A", "(12)(34)", "covariance of the tangent kernel, coordinates apart", ("a", "a", "b", "b")),
        Vertex("B", "1324", "covariance of the tangent kernel between two coordinates", ("a", "b", "a", "b")),
        Vertex("P", "0123", "first differential of the tangent kernel, 0 with 3", ("ab", "a", "b", ""), partner=3),
        Vertex("Q", "0123", "first differential of the tangent kernel, 0 with 1", ("ab", "a", "b", "")),
        Vertex("R", "0123", "second differential of the tangent kernel, third derivatives", ("abc", "a", "b", "c")),
        Vertex("S", "1234", "second differential of the tangent kernel, 1 with 2", ("ab", "ac", "b", "c")),
        Vertex("T", "1324", "second differential of the tangent kernel, 1 with 3", ("ab", "b", "ac", "c")),
        Vertex("U", "1423", "second differential of the tangent kernel, 1 with 4", ("ab", "c", "ac", "b")),
    )
}
FLUCTUATIONS = ("G1", "V", "Theta1", "D", "F", "A", "B")
"""What is computed unless other names are given."""
