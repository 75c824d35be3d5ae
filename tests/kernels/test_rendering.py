"""Pages of kernel recursions: what they say is what is computed, they compile, and no internal name is on them."""

import re
import shutil
import subprocess

import numpy as np
import pytest

from ntksym import zoo
from ntksym.errors import KernelError
from ntksym.kernels import kernel_recursion
from ntksym.kernels.rendering_tex import WIDTH, tex_width
from ntksym.language.activations import activation
from tests.kernels.recursions import REFUSED, recursion

NAMES = [name for name in zoo.names if name not in REFUSED]
INTERNAL = re.compile(r"\w\|\d|~\d|\b[KETDCma]\d+\|")


@pytest.mark.parametrize("name", NAMES)
def test_pages_show_no_internal_names_and_no_row_runs_off_the_page(name):
    found = recursion(name)
    latex = found.to_latex(document=True)
    for page in (found.to_text(), latex):
        assert not INTERNAL.search(page)
        assert "Unevaluated" not in page
        assert "NormalCDF" not in page
    for row in re.sub(r"\\left\(\\begin\{array\}.*?\\end\{array\}\\right\)", "", latex).split("\n"):
        assert not row.startswith("&") or tex_width(row) < 1.4 * WIDTH, row


def test_notebooks_show_the_same_page():
    found = recursion("resnet")
    assert str(found) == found.to_text()
    assert found._repr_markdown_() == found.to_markdown()
    assert found._repr_latex_() == f"$\\displaystyle {found.to_latex()}$"
    assert found.to_latex() in found.to_markdown()
    assert found.to_latex().split("\n")[1:-1] == found.to_latex(document=True).split("align*}")[1].split("\n")[1:-1]
    for page in (found.to_markdown(), found.to_latex()):
        assert not INTERNAL.search(page)


def evaluated(text, gram, depth, **numbers):
    """The numbers of a page about two inputs without positions, read as a person reads it: line by line."""
    names = {"sqrt": lambda x: np.sqrt(np.maximum(x, 0)), "acos": lambda x: np.arccos(np.clip(x, -1, 1)), "pi": np.pi}
    values = {}
    points = ("x, x", "x', x'", "x, x'")
    reading = re.compile(r"\b([A-Za-z]+\d*)(?:\[([^]]*)\])?\((x, x'|x, x|x', x')\)")

    def number(expression, where, ell):
        ends = dict(zip(("x", "x'"), where.split(", "), strict=True))

        def value(found):
            name, level, read = found.groups()
            at = ", ".join(ends[end] for end in read.split(", "))
            layer = eval(level, {"ell": ell, "L": depth}) if level else None
            return repr(float(values[name, layer, at]))

        return eval(reading.sub(value, expression), {**names, **numbers, **law[where], "L": depth})

    lines = [line.partition("    #")[0] if not line.startswith(" ") else line for line in text.split("\n")[2:]]
    lines = lines[: lines.index("")]
    start = next((k for k, line in enumerate(lines) if line.startswith("for ")), len(lines))
    end = next((k for k in range(start + 1, len(lines)) if not lines[k].startswith(" ")), len(lines))
    order = [(line, None) for line in lines[:start]]
    order += [(line.strip(), ell) for ell in range(depth) for line in lines[start + 1 : end]]
    order += [(line, None) for line in lines[end:]]
    law = {where: {} for where in points}
    for line, ell in order:
        if " ~ N(" in line:
            stands = re.findall(r"([pqr]) = (.*?)(?=, [pqr] = |$)", line.partition("]]), ")[2])
            law = {where: {name: number(text, where, ell) for name, text in stands} for where in points}
            continue
        left, *right = line.split(" = ")
        name, level, where = reading.fullmatch(left).groups()
        layer = eval(level, {"ell": ell, "L": depth}) if level else None
        for at in points if where == "x, x'" else points[:2]:
            same = number(right[-1], at, ell) if name != "G" else gram[at]
            if where == "x, x":  # the closed form on the diagonal agrees with the one that it is the limit of
                assert same == pytest.approx(values[name, layer, at], rel=1e-7)
            values[name, layer, at] = same
    return values["nngp", None, "x, x'"], values["ntk", None, "x, x'"]


@pytest.mark.parametrize(("name", "depth"), [("mlp", 1), ("resnet", 3)])
def test_the_text_says_what_is_computed(name, depth):
    found = recursion(name)
    x = np.random.default_rng(3).standard_normal((2, 5))
    gram = {"x, x": x[0] @ x[0] / 5, "x', x'": x[1] @ x[1] / 5, "x, x'": x[0] @ x[1] / 5}
    nngp, ntk = evaluated(found.to_text(), gram, depth, sigma_w=1.3, sigma_b=0.4)
    kernels = found.evaluate(x, digits=20, sigma_w=1.3, sigma_b=0.4, **({"L": depth} if name == "resnet" else {}))
    assert nngp == pytest.approx(float(kernels.nngp[0, 1]), rel=1e-12)
    assert ntk == pytest.approx(float(kernels.ntk[0, 1]), rel=1e-12)


def test_the_recursion_of_a_perceptron_reads_as_in_the_literature():
    text = recursion("mlp").to_text()
    assert "K[ell + 1](x, x') = sigma_w**2*E1[ell](x, x') + sigma_b**2" in text
    assert "Theta[ell + 1](x, x') = K[ell + 1](x, x') + sigma_w**2*dE1[ell](x, x')*Theta[ell](x, x')" in text
    latex = recursion("mlp").to_latex()
    closed = (
        r"\frac{r \left(\pi - \arccos{\left(\frac{r}{\sqrt{p} \sqrt{q}} \right)}\right) + \sqrt{p q - r^{2}}}{2 \pi}"
    )
    assert rf"\mathbb{{E}}\left[\max\left(0, u\right) \max\left(0, v\right)\right] = {closed}" in latex


def test_positions_are_indices():
    latex = recursion("cnn").to_latex()
    window = r"\delta_{1}, j + \delta_{2};\, i' + \delta_{1}, j' + \delta_{2}}(x, x')"
    assert rf"\frac{{1}}{{9}} \sum_{{\delta}} K^{{(2, \ell)}}_{{i + {window}" in latex
    assert r"\sum_{j, j'} a_{ij}(x) a_{i'j'}(x') K^{(1)}_{j, j'}(x, x')" in recursion("gcn").to_latex()


def test_what_has_no_closed_form_stays_an_expectation():
    text = recursion("rnn").to_text()
    assert "E1(x, x') = E[tanh(u)*tanh(v)]    # no closed form" in text
    assert "quadrature" in text.split("\n\n")[-1]
    assert r"(no closed form)" in recursion("rnn").to_latex()


def test_a_long_product_of_sums_is_broken_with_its_brackets():
    latex = recursion("lstm").to_latex()
    assert latex.count(r"\Bigl[") == latex.count(r"\Bigr]") > 0
    assert r"\times 1 -" not in latex


def test_brackets_before_a_broken_sum_keep_their_other_half():
    """Of a fraction in front of a sum that runs over several rows: each row closes the brackets that it opens."""
    phi = activation("(z + z**3)*exp(-z**2/2)")
    page = kernel_recursion(zoo.load("mlp")(phi=phi, depth=1)).to_latex()
    assert page.count(r"\Bigl") == page.count(r"\Bigr") > 0
    for row in page.splitlines():
        assert row.count(r"\left") == row.count(r"\right"), row


def test_symbols_of_ones_own():
    latex = recursion("mlp").to_latex(symbols={"sigma_w": r"\sigma_W", "K": r"\Sigma", "d_in": "D"})
    assert r"\Sigma^{(\ell + 1)}(x, x') = \sigma_W^{2} E" in latex
    assert r"\frac{1}{D}" in latex
    assert r"\sigma_{w}" not in latex
    with pytest.raises(KernelError, match="nothing here is named 'sigma_v'; known are K, "):
        recursion("mlp").to_latex(symbols={"sigma_v": "v"})


def test_a_kernel_without_a_tangent_kernel():
    found = kernel_recursion(zoo.load("mlp"), ntk=False)
    assert "Theta" not in found.to_latex()
    assert found.to_text().startswith("NNGP kernel of mlp")
    assert "jacot2018neural" not in found.bibtex()


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="pdflatex is not installed")
@pytest.mark.parametrize("name", ["mlp", "cnn", "transformer", "lstm"])
def test_documents_compile_within_their_margins(tmp_path, name):
    (tmp_path / "page.tex").write_text(recursion(name).to_latex(document=True), encoding="utf-8")
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "page.tex"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, errors="replace", timeout=120)
    assert done.returncode == 0, done.stdout[-2000:]
    assert "Overfull" not in done.stdout


def test_sources_follow_from_the_lines():
    keys = {name: set(re.findall(r"@\w+\{(\w+),", recursion(name).bibtex())) for name in NAMES}
    for found in keys.values():
        assert {"yang2019wide", "jacot2018neural", "yang2020tensor"} <= found
    assert [name for name in NAMES if "novak2019bayesian" in keys[name]] == ["cnn"]
    assert [name for name in NAMES if "du2019graph" in keys[name]] == ["gcn"]
    assert [name for name in NAMES if "hron2020infinite" in keys[name]] == ["dit", "transformer"]
    assert [name for name in NAMES if "alemohammad2021recurrent" in keys[name]] == ["lstm", "rnn"]
    assert "stein1981estimation" not in keys["word2vec"]
    for entry in recursion("cnn").bibtex().strip().split("\n\n"):
        assert entry.count("{") == entry.count("}")
        assert {"author", "title", "year"} <= set(re.findall(r"^  (\w+)", entry, re.MULTILINE))


def test_a_derivative_has_no_page_and_says_so():
    found = recursion("mlp").derivative("sigma_w")
    with pytest.raises(KernelError, match="no notation for derivatives of expectations"):
        found.to_text()
