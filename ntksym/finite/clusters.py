"""How correlators of a wide network scale with its width: cluster graphs of derivative tensors.

A correlator is the mean of a product of derivative tensors of the output f: of f itself, of its derivatives by weights,
with the indices of weights summed in pairs. Joining two tensors wherever they share a summed index makes a graph; its
connected components are clusters. With m tensors, n_e clusters of an even and n_o of an odd number of tensors, the
correlator is at most of order n^(n_e + n_o/2 - m/2) (Dyer and Gur-Ari 2020, arXiv:1909.11304, conjecture 1).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction

from ntksym.errors import FiniteWidthError
from ntksym.records.evidence import Evidence
from ntksym.records.tables import Cell, Table

CONJECTURE = Evidence("conjecture", note="an upper bound on the order; proved for deep linear and shallow networks")


@dataclass(frozen=True)
class Correlator:
    """A mean of derivative tensors, each a text of summed indices: ("mn", "m", "n", "") is f_mn f_m f_n f."""

    tensors: tuple[str, ...]

    def __post_init__(self) -> None:
        if not self.tensors:
            raise FiniteWidthError("a correlator of no tensors is the number one; name at least one tensor")
        letters = "".join(self.tensors)
        bad = sorted(c for c in set(letters) if not c.isalpha() or letters.count(c) != 2)
        if bad:
            raise FiniteWidthError(
                f"the correlator {','.join(self.tensors)!r}: the index {bad[0]!r} must be a letter that occurs twice"
            )

    @property
    def clusters(self) -> tuple[frozenset[int], ...]:
        """The connected components: sets of places in ``tensors``."""
        groups: list[set[int]] = []
        for k, tensor in enumerate(self.tensors):
            joined = [group for group in groups if any(set(tensor) & set(self.tensors[i]) for i in group)]
            groups = [group for group in groups if group not in joined]
            groups.append({k}.union(*joined))
        return tuple(frozenset(group) for group in sorted(groups, key=min))

    @property
    def order(self) -> Fraction:
        """The power of n that bounds it."""
        even = sum(len(cluster) % 2 == 0 for cluster in self.clusters)
        odd = len(self.clusters) - even
        return even + Fraction(odd - len(self.tensors), 2)

    def __str__(self) -> str:
        return f"E[{' '.join(f'f_{tensor}' if tensor else 'f' for tensor in self.tensors)}]"

    def latex(self) -> str:
        """The mean in LaTeX, without dollar signs."""
        return rf"\mathbb{{E}}[{' '.join(f'f_{{{tensor}}}' if tensor else 'f' for tensor in self.tensors)}]"


def correlator(text: str) -> Correlator:
    """A correlator from a text such as ``mn,m,n,`` (f_mn f_m f_n f); an empty part is f itself."""
    return Correlator(tuple(part.strip() for part in text.split(",")))


COMMON: Mapping[str, str] = {
    "covariance of outputs": ",",
    "four outputs": ",,,",
    "tangent kernel": "m,m",
    "tangent kernel and two outputs": "m,m,,",
    "two tangent kernels": "m,m,n,n",
    "differential of the tangent kernel with an output": "mn,m,n,",
    "second differential, third derivative": "mnr,m,n,r",
    "second differential, two Hessians": "mn,mr,n,r",
}
"""Correlators that the tensors of order 1/n are about."""


def scaling_of_correlators(correlators: Mapping[str, str] = COMMON) -> Table:
    """A table: for every correlator (a name, and a text as ``correlator`` reads it) its clusters and its order in n.

    The orders are those of full correlators; where one vanishes by symmetry, or its leading part is taken off, it is
    smaller. Raises FiniteWidthError for indices that do not occur twice.
    """
    rows = []
    for name, text in correlators.items():
        found = correlator(text)
        sizes = " + ".join(str(len(cluster)) for cluster in found.clusters)
        power = f"n^{found.order}" if found.order else "1"
        rows.append((Cell(name), Cell(str(found), found.latex()), Cell(sizes), Cell.powers(power)))
    heads = (Cell("correlator"), Cell("mean of"), Cell("clusters"), Cell("at most"))
    return Table("orders of correlators in the width", heads, tuple(rows), (f"evidence: {CONJECTURE}",))
