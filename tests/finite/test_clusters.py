"""Orders of correlators by cluster graphs, counted by hand."""

from fractions import Fraction

import pytest

from ntksym.errors import FiniteWidthError
from ntksym.finite.clusters import COMMON, correlator, scaling_of_correlators


@pytest.mark.parametrize(
    ("text", "order"),
    [
        (",", 0),
        ("m,m", 0),
        ("mn,m,n,", -1),
        ("mn,mr,n,r", -1),
        ("mnr,m,n,r", -1),
        ("mn,mn", 0),
        ("mn,mr,ns,r,s,", -2),  # a cluster of five tensors and one of one
        (",,", Fraction(0)),
        ("m,m,", Fraction(0)),
    ],
)
def test_orders(text, order):
    assert correlator(text).order == order


def test_clusters_are_connected_components():
    found = correlator("mn,,m,r,n,r")
    assert found.clusters == (frozenset({0, 2, 4}), frozenset({1}), frozenset({3, 5}))
    assert str(found) == "E[f_mn f f_m f_r f_n f_r]"


def test_the_table_has_a_row_for_each_and_says_how_it_is_known():
    table = scaling_of_correlators()
    assert len(table.rows) == len(COMMON)
    assert "conjecture" in table.notes[0]
    assert scaling_of_correlators({"mine": "mn,m,n,"}).rows[0][-1].text == "n^-1"


@pytest.mark.parametrize("text", ["m", "m,m,m", "mm", "m1,m1", "mn,m"])
def test_indices_occur_twice(text):
    if text == "mm":
        assert correlator(text).order == 0
        return
    with pytest.raises(FiniteWidthError, match="occurs twice"):
        correlator(text)
