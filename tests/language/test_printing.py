"""What a program looks like: the listing, LaTeX that typesets, Mermaid and Graphviz graphs."""

import re
from typing import Any

import pytest
from matplotlib.mathtext import MathTextParser

from ntksym import language as ns
from ntksym.errors import ProgramError
from ntksym.language import Program
from ntksym.language.printing import labels
from ntksym.language.printing_latex import tex_label, tex_size, tex_symbol
from tests.language.programs import PROGRAMS

n, L = ns.dim("n"), ns.dim("L")


@ns.program
def net(x: ns.Sequence("T", n)):
    def block(h, k):
        w = ns.weight(h, "w", n, n, init="zeros")
        return ns.matmul(w, h, transpose=True) - h / 2, k

    h, k = ns.repeat(L, block, (ns.layernorm(x), x), name="block")
    h = ns.scan(lambda s, h: s * ns.map("tanh", h), ns.constant(x, 1, n), h, "T")
    return h + L**-0.5 * ns.dense(k, n, name="out", sigma_w=0.5), ns.map("z*erf(z)", h)


LISTING = """
program net:
  x = input sequence                               : [T; n]
  v1 = normalise(x, centre=True)                   : [T; n]
  v2.0, v2.1 = repeat L times, v3 := v1, v4 := x   : [T; n], [T; n]
    block.w = parameter zeros                      : (n x n)
    v5 = block.w^T @ v3                            : [T; n]
    v6 = v3/2                                      : [T; n]
    v7 = v5 - v6                                   : [T; n]
    return v7, v4
  v8 = constant 1                                  : [n]
  v9 = scan over T, v10 := v8, v11 := each of v2.0 : [T; n]
    v12 = tanh(v11)                                : [n]
    v13 = v10*v12                                  : [n]
    return v13
  out.w = parameter N(0, 1/(4*n))                  : (n x n)
  v14 = out.w @ v2.1                               : [T; n]
  out.b = parameter N(0, sigma_b^2)                : [n]
  v15 = v14 + out.b                                : [T; n]
  v16 = v15/sqrt(L)                                : [T; n]
  v17 = v9 + v16                                   : [T; n]
  v18 = v9*erf(v9)                                 : [T; n]
  return v17, v18
"""


@pytest.fixture(params=PROGRAMS)
def program(request: pytest.FixtureRequest) -> Program:
    return PROGRAMS[request.param]


# --- the listing --------------------------------------------------------------------------------------


def test_listing() -> None:
    assert str(net()) == LISTING.strip()
    assert repr(net()) == str(net())
    assert net()._repr_markdown_() == f"```\n{net()}\n```"


def test_every_line_reads_what_stands_above_it(program: Program) -> None:
    names = labels(program)
    assert len(set(names.values())) == len(names)
    seen: set[str] = set()
    for line in str(program).split("\n")[1:]:
        left, equals, right = line.partition(" = ")
        right = right.rpartition(" : ")[0]
        for name in re.findall(r"(?<![\w.\[])v\d+(?:\.\d+)?(?= :=)", right):
            seen.add(name)
        for name in re.findall(r"(?<![\w.])v\d+(?:\.\d+)?", right if equals else left):
            assert name in seen, line
        if equals:
            seen.update(left.strip().split(", "))


def test_labels_give_way_to_names_of_the_user() -> None:
    @ns.program
    def named(v1: ns.Vector(n), x: ns.Vector(n)):
        return v1 + x + ns.vector(x, "v3", n)

    assert list(labels(named()).values()) == ["v1", "x", "v2", "v3", "v4"]


def test_activations_are_shown_by_name_or_by_formula() -> None:
    @ns.program
    def shown(x: ns.Vector(n)):
        for phi in ("gelu", "leaky_relu(0.1)", "z*exp(-z)", "erf(z)"):
            x = ns.map(phi, x)
        return ns.map(ns.activation("a*exp(b)", ("a", "b")), x, x)

    lines = [line.split(" = ")[1].split(" :")[0].strip() for line in str(shown()).split("\n")[2:-1]]
    assert lines == ["gelu(x)", "leaky_relu(1/10)(v1)", "v2*exp(-v2)", "erf(v3)", "v4*exp(v4)"]


# --- LaTeX --------------------------------------------------------------------------------------------


def test_latex_typesets(program: Program) -> None:
    """Each cell is read by Matplotlib's parser, which knows less than TeX does; there are four in a row."""
    first, *rows, last = program.to_latex().split("\n")
    assert (first, last) == (r"\begin{aligned}", r"\end{aligned}")
    parser = MathTextParser("path")
    for i, row in enumerate(rows):
        assert row.endswith(r" \\") == (i < len(rows) - 1)
        cells = row.removesuffix(r"\\").split("&")
        assert len(cells) == 4
        for cell in filter(None, map(str.strip, cells)):
            parser.parse(f"${cell}$")


def test_latex_says_what_the_listing_says(program: Program) -> None:
    listing = str(program).split("\n")[1:]
    rows = program.to_latex().split("\n")[1:-1]
    assert len(rows) == len(listing)
    for line, row in zip(listing, rows, strict=True):
        indent = (len(line) - len(line.lstrip())) // 2 - 1
        assert row.count(r"\quad") == indent
        assert (r"\mathbf{return}" in row) == line.lstrip().startswith("return ")


@pytest.mark.parametrize(
    ("label", "tex"),
    [
        ("x", "x"),
        ("x_1", "x_{1}"),
        ("tokens", r"\mathrm{tokens}"),
        ("v12", "v_{12}"),
        ("v5.1", "v_{5,1}"),
        ("embed.w", r"w_{\mathrm{embed}}"),
        ("block.up_2.b", r"b_{\mathrm{block.up\_2}}"),
        ("block.norm", r"\mathrm{block.norm}"),
        ("embed.1", r"\mathrm{embed.1}"),
    ],
)
def test_labels_in_latex(label: str, tex: str) -> None:
    assert tex_label(label) == tex


def test_a_matrix_is_a_capital() -> None:
    assert tex_label("embed.w", matrix=True) == r"W_{\mathrm{embed}}"


@pytest.mark.parametrize(
    ("symbol", "tex"),
    [
        ("n", "n"),
        ("d_in", r"d_{\mathrm{in}}"),
        ("sigma_w", r"\sigma_{w}"),
        ("vocab", r"\mathrm{vocab}"),
        ("T'", "T'"),
        ("head'", r"\mathrm{head}'"),
        ("n_2", "n_{2}"),
    ],
)
def test_symbols_in_latex(symbol: str, tex: str) -> None:
    assert tex_symbol(symbol) == tex


@pytest.mark.parametrize(
    ("size", "tex", "slashed"),
    [
        (n * 1, "n", "n"),
        (n**2 * L, r"L\,n^{2}", r"L\,n^{2}"),
        (L**-0.5, "L^{-1/2}", "L^{-1/2}"),
        (n / L, r"\frac{n}{L}", "n/L"),
        (-n / (2 * L), r"-\frac{n}{2\,L}", r"-n/(2\,L)"),
        (n / n / 4, r"\frac{1}{4}", "1/4"),
        (n / n * 2**0.5, "1.41421", "1.41421"),
        (0 * n / n, "0", "0"),
    ],
)
def test_sizes_in_latex(size: Any, tex: str, slashed: str) -> None:
    assert (tex_size(size), tex_size(size, slash=True)) == (tex, slashed)


# --- graphs -------------------------------------------------------------------------------------------


def edges(text: str, arrow: str) -> set[tuple[str, str]]:
    return set(re.findall(rf"^ +n(\w+) {arrow} n(\w+);?$", text, re.MULTILINE))


def test_both_graphs_have_the_edges_of_the_program(program: Program) -> None:
    expected = {(str(i), "_out") for i in program.block.outputs}
    loops = {node.id: node.block for node in program.nodes.values() if node.block}
    several = {node.inputs[0] for node in program.nodes.values() if node.op == "result"}
    for node in program.nodes.values():
        block = node.block
        if node.op == "result":
            expected.add((str(loops[node.inputs[0]].outputs[node.attr("index")]), str(node.id)))
        elif block:
            expected |= {(str(i), str(a)) for i, a in zip(node.inputs, block.arguments, strict=True)}
            if node.id not in several:
                expected.add((str(block.outputs[0]), str(node.id)))
        else:
            expected |= {(str(i), str(node.id)) for i in node.inputs}
    mermaid, dot = program.to_mermaid(), program.render("graphviz")
    assert edges(mermaid, "-->") == expected
    assert edges(dot, "->") == expected
    for text, node_line in ((mermaid, r"^ +n(\w+)[(\[]\"[^\"]*\"[)\]]$"), (dot, r"^ +n(\w+) \[shape=.*\];$")):
        drawn = re.findall(node_line, text, re.MULTILINE)
        assert len(drawn) == len(set(drawn))
        assert {end for edge in expected for end in edge} <= set(drawn)


def test_loops_are_frames() -> None:
    mermaid, dot = net().to_mermaid().split("\n"), net().render("graphviz").split("\n")
    assert mermaid[0] == "flowchart TD"
    assert sum(line.lstrip().startswith("subgraph ") for line in mermaid) == mermaid.count("  end") == 2
    assert any(line.endswith('["repeat L times"]') for line in mermaid)
    assert dot[0] == 'digraph "net" {'
    assert "\n".join(dot).count("{") == "\n".join(dot).count("}") == 3


def test_texts_in_graphs_are_quoted() -> None:
    @ns.program
    def quoted(x: ns.Vector(n)):
        return ns.map("Piecewise((z, z < 1), (1, True))", x)

    assert "#lt; 1" in quoted().to_mermaid()
    assert "<" not in quoted().to_mermaid()


# --- the registry of forms ----------------------------------------------------------------------------


def test_forms() -> None:
    assert net().render("text") == str(net())
    assert net().render("json") == net().to_json()
    assert net().render("latex") == net().to_latex()
    assert net().render("mermaid") == net().to_mermaid()
    with pytest.raises(ProgramError, match=r"'pdf' is not a form of a program; known are .*graphviz"):
        net().render("pdf")
