"""``ntksym kernel``: formulas, matrices for the inputs of a file, and what it says to slips."""

import json
from pathlib import Path

import numpy as np
import pytest

import ntksym as ns
from ntksym.kernels import kernel_recursion
from tests.cli.helpers import Run, refused

X = np.array([[1.0, 0.5], [-0.25, 1.0], [0.0, 2.0]])


@pytest.fixture
def inputs(tmp_path: Path) -> Path:
    path = tmp_path / "x.csv"
    path.write_text("1,0.5\n-0.25, 1\n0,2\n\n", encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("form", "part"),
    [("text", "ntk(x, x') = nngp(x, x')"), ("markdown", "$"), ("latex", r"\end{document}"), ("json", '"schema"')],
)
def test_formulas_come_in_every_form(run: Run, form: str, part: str) -> None:
    code, out, err = run("kernel", "mlp", "--depth", "1", "--format", form)
    assert (code, err) == (0, "")
    assert part in out


def test_matrices_are_those_of_the_recursion_in_the_order_of_the_file(run: Run, inputs: Path) -> None:
    options = ("--evaluate", str(inputs), "--format", "json", "--sigma-w", "3/2", "--set", "sigma_b=0.5")
    code, out, _ = run("kernel", "mlp", "--phi", "z*erf(z)", *options)
    assert code == 0
    found = json.loads(out)
    program = ns.zoo.load("mlp")(phi=ns.activation("z*erf(z)"))
    expected = kernel_recursion(program).evaluate(X, digits=None, sigma_w=1.5, sigma_b=0.5)
    np.testing.assert_allclose(found["nngp"], expected.nngp.astype(float), rtol=1e-12)
    np.testing.assert_allclose(found["ntk"], expected.ntk.astype(float), rtol=1e-12)
    assert found["evidence"].startswith("exact")


def test_digits_are_given_as_asked_for(run: Run, inputs: Path) -> None:
    """Two layers of erf units on one input: 30 digits, against the closed form in mpmath."""
    from mpmath import asin, mp, mpf, pi

    _, out, _ = run(
        "kernel", "mlp", "--phi", "erf", "--depth", "1", "--evaluate", str(inputs), "--digits", "30", "--format", "json"
    )
    with mp.workdps(40):
        p = mpf(4) / 2  # the third input
        expected = 2 / pi * asin(2 * p / (1 + 2 * p))
        assert abs(mpf(json.loads(out)["nngp"][2][2]) - expected) < mpf(10) ** -29


def test_positions_are_read_row_by_row_and_a_sequence_needs_its_length(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    path.write_text("1,2,3,4\n0,1,0,1\n", encoding="utf-8")
    words = ("kernel", "rnn", "--phi", "erf", "--set", "T=2", "--set", "d_in=2", "--evaluate", str(path))
    code, out, err = run(*words, "--format", "json")
    assert code == 0, err
    x = np.array([[[1, 2], [3, 4]], [[0, 1], [0, 1]]], dtype=float)
    program = ns.zoo.load("rnn")(phi=ns.erf)
    expected = kernel_recursion(program, sizes={"T": 2}).evaluate(x, digits=None)
    np.testing.assert_allclose(json.loads(out)["ntk"], expected.ntk.astype(float), rtol=1e-12)


@pytest.mark.parametrize(
    ("contents", "says"),
    [
        ("1,2\n3\n", "line 2: found 1 numbers, expected 2"),
        ("1,nan\n", "nan is not a finite number"),
        ("a,b\n1,2\n", "'a' is not a number"),
        ("", "is empty"),
        ("\n \n", "is empty"),
        ("1,,2\n", "'' is not a number"),
    ],
)
def test_a_bad_file_is_one_line(run: Run, tmp_path: Path, contents: str, says: str) -> None:
    path = tmp_path / "bad.csv"
    path.write_text(contents, encoding="utf-8")
    assert says in refused(run("kernel", "mlp", "--evaluate", str(path)))


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("mlp", "--evaluate", "no.csv"), "cannot read no.csv"),
        (("gcn", "--evaluate", "x.csv"), "has several: x, adjacency"),
        (("mlp", "--digits", "20"), "--digits needs --evaluate"),
        (("mlp", "--format", "csv"), "formulas have no form csv"),
        (("mlp", "--sigma-w", "2"), "stays a symbol"),
        (("mlp", "--set", "sigma=2"), "has no setting, size or sigma 'sigma'"),
        (("mlp", "--sigma-w", "__import__('os')", "--evaluate", "x.csv"), "is not a rational number"),
        (("mlp", "--sigma-w", "-1", "--evaluate", "x.csv"), "not negative"),
        (("mlp", "--phi", "z.real"), ""),
        (("lora",), "stays finite"),
        ((), "name an architecture"),
    ],
)
def test_slips_are_one_line(run: Run, words: tuple[str, ...], says: str) -> None:
    assert says in refused(run("kernel", *words))


def test_a_line_of_the_wrong_length_is_named(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    path.write_text("1,2,3\n", encoding="utf-8")
    words = ("kernel", "rnn", "--set", "T=2", "--set", "d_in=2", "--evaluate", str(path))
    assert "found 3 numbers in a line, expected 2 × 2" in refused(run(*words))
