"""Programs in LaTeX: the listing as an ``aligned`` environment, made of what KaTeX and MathJax know, too."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from fractions import Fraction

from ntksym.language.dims import Dim, Size
from ntksym.language.expressions import latex
from ntksym.language.printing import applied, bound, display_name, labels, results, setting, signed, variance
from ntksym.language.program import Block, Node, Program, renderers
from ntksym.language.types import MatrixType, Type

_GREEK = re.compile(
    "alpha|beta|gamma|delta|epsilon|zeta|eta|theta|kappa|lambda|mu|nu|xi|pi|rho|sigma|tau|phi|chi|psi|omega"
)
_ESCAPES = {"\\": r"\backslash ", "^": r"\wedge ", "~": r"\sim ", " ": r"\ "}
_ESCAPES |= {character: "\\" + character for character in "_#$%&{}"}


def tex_escaped(text: str) -> str:
    return "".join(_ESCAPES.get(character, character) for character in text)


def tex_upright(text: str) -> str:
    """A word in upright letters, safe in math mode; primes stay primes."""
    word = text.rstrip("'")
    return rf"\mathrm{{{tex_escaped(word)}}}" + "'" * (len(text) - len(word))


def tex_symbol(name: str) -> str:
    """The symbol that an identifier stands for: sigma_w is a sigma with the index w, T' is T'."""
    head, _, tail = name.partition("_")
    bare = head.rstrip("'")
    if _GREEK.fullmatch(bare):
        head = f"\\{head}"
    elif len(bare) != 1 or not bare.isascii():
        head = tex_upright(head)
    index = tail if len(tail) == 1 or tail.isdecimal() else tex_upright(tail)
    return f"{head}_{{{index}}}" if tail else head


def tex_label(label: str, *, matrix: bool = False) -> str:
    """The symbol of a value: embed.w is a W with the index embed, v12 and v5.0 are a v with indices."""
    if re.fullmatch(r"v\d+(\.\d+)?", label):
        return f"v_{{{label[1:].replace('.', ',')}}}"
    scope, _, letter = label.rpartition(".")
    if scope and len(letter) == 1 and letter.isalpha():
        return f"{letter.upper() if matrix else letter}_{{{tex_upright(scope)}}}"
    return tex_upright(label) if scope else tex_symbol(label)


def tex_size(size: Size, *, slash: bool = False) -> str:
    """A size in LaTeX, a quotient as a fraction or with a slash; L^{-1/2} alone keeps its negative power."""
    sign, coefficient = "-" * (size.coefficient < 0), abs(size.coefficient)
    if coefficient.denominator > 1000:
        over, under = [f"{float(coefficient):.6g}"], list[str]()
    else:
        over = [str(coefficient.numerator)] * (coefficient.numerator != 1)
        under = [str(coefficient.denominator)] * (coefficient.denominator != 1)
    if not over and not under and len(size.powers) == 1:
        return sign + _tex_power(*size.powers[0])
    over += [_tex_power(dim, power) for dim, power in size.powers if power > 0]
    under += [_tex_power(dim, -power) for dim, power in size.powers if power < 0]
    top, bottom = r"\,".join(over) or "1", r"\,".join(under)
    if not bottom:
        return sign + top
    if slash:
        return f"{sign}{top}/{bottom if len(under) == 1 else f'({bottom})'}"
    return rf"{sign}\frac{{{top}}}{{{bottom}}}"


def _tex_power(dim: Dim, power: Fraction) -> str:
    return tex_symbol(dim.name) + (f"^{{{power}}}" if power != 1 else "")


def _tex_space(type: Type | MatrixType) -> str:
    """The set a value is in: real numbers, or token indices, one for each position and coordinate."""
    if isinstance(type, MatrixType):
        numbers, last = "R", [type.rows, type.cols]
    elif type.kind == "index":
        numbers, last = "N", []
    else:
        numbers, last = "R", [type.coord]
    sizes = (*(axis.size for axis in type.positions), *last)
    lengths = r" \times ".join(tex_size(size, slash=True) for size in sizes)
    return rf"\mathbb{{{numbers}}}^{{{lengths}}}"


def _tex_init(program: Program, node: Node) -> str:
    if node.attr("init") == "constant":
        start = f"= {node.attr('value')}"
    else:
        sigma, number = variance(program, node)
        spread = f"{tex_symbol(sigma)}^{{2}}" if sigma else tex_size(number)
        if sigma and not number.is_one:
            spread = rf"\frac{{{spread}}}{{{tex_size(1 / number)}}}"
        start = rf"\sim \mathcal{{N}}(0, {spread})"
    return start if node.attr("trainable") else rf"{start},\ \mathrm{{frozen}}"


def _tex_linear(node: Node, names: list[str]) -> str:
    terms = []
    for c, name in zip(node.attr("coefficients"), names, strict=True):
        number = "" if c.is_one else "-" if c == Size(Fraction(-1)) else tex_size(c) + r"\,"
        terms.append(number + name)
    return signed(terms)


def _tex_map(node: Node, names: list[str]) -> str:
    phi = node.attr("phi")
    if phi.text == "a*b":
        return r" \odot ".join(names)
    name = display_name(phi)
    if not name:
        return latex(applied(phi, names))
    word, _, parameters = name.partition("(")
    index = f"_{{{parameters.rstrip(')')}}}" if parameters else ""
    return rf"\operatorname{{{tex_escaped(word)}}}{index}({names[0]})"


def _tex_normalise(node: Node, names: list[str]) -> str:
    (x,) = names
    if node.attr("centre"):
        return rf"({x} - \operatorname{{mean}}({x})) / \operatorname{{std}}({x})"
    return rf"{x} / \operatorname{{rms}}({x})"


_TEX: dict[str, Callable[[Node, list[str]], str]] = {
    "linear": _tex_linear,
    "map": _tex_map,
    "normalise": _tex_normalise,
    "matmul": lambda node, names: names[0] + r"^{\top}" * node.attr("transpose") + rf"\,{names[1]}",
    "lookup": lambda node, names: rf"{names[0]}[{names[1]}]",
    "contract": lambda node, names: rf"\langle {names[0]}, {names[1]} \rangle",
    "mix": lambda node, names: rf"\sum_{{{tex_symbol(node.attr('axis'))}}} {names[0]}\,{names[1]}",
    "softmax": lambda node, names: rf"\operatorname{{softmax}}_{{{tex_symbol(node.attr('axis'))}}}({names[0]})",
    "constant": lambda node, names: tex_size(node.attr("value")) if node.attr("value") else "0",
}


def _tex_right(node: Node, names: list[str]) -> str:
    if node.op in _TEX:
        return _TEX[node.op](node, names)
    settings = r",\,".join(tex_upright(f"{key}={setting(value)}") for key, value in node.attrs)
    index = f"_{{{settings}}}" if settings else ""
    return rf"\operatorname{{{tex_escaped(node.op)}}}{index}({', '.join(names)})"


def tex_listing(program: Program) -> str:
    """The listing as an ``aligned`` environment: operations left, their spaces or distributions right."""
    several = results(program)
    matrices = {node.id for node in program.parameters if isinstance(node.type, MatrixType)}
    names = {i: tex_label(label, matrix=i in matrices) for i, label in labels(program).items()}

    def rows(block: Block, pad: str) -> Iterator[tuple[str, str]]:
        for node in block.nodes:
            left = pad + names[node.id]
            if node.op == "parameter":
                yield rf"{left} \in {_tex_space(node.type)}", _tex_init(program, node)
            elif node.op == "input":
                yield rf"{left} \in {_tex_space(node.type)}", rf"\mathrm{{({node.attr('kind')})}}"
            elif node.block:
                made = several.get(node.id, [node])
                yield (
                    rf"{pad}{', '.join(names[one.id] for one in made)} = {_tex_header(node, names)}",
                    rf"\in {', '.join(_tex_space(one.type) for one in made)}",
                )
                yield from rows(node.block, pad + r"\quad ")
            elif node.op not in ("carry", "element", "result"):
                right = _tex_right(node, [names[i] for i in node.inputs])
                yield f"{left} = {right}", rf"\in {_tex_space(node.type)}"
        yield rf"{pad}\mathbf{{return}}\ {', '.join(names[i] for i in block.outputs)}", ""

    body = " \\\\\n".join(f"& {left} && {right}".rstrip() for left, right in rows(program.block, ""))
    return f"\\begin{{aligned}}\n{body}\n\\end{{aligned}}"


def _tex_header(node: Node, names: dict[int, str]) -> str:
    if node.op == "repeat":
        header = rf"\mathbf{{repeat}}\ {tex_size(node.attr('times'))}\ \mathrm{{times}}"
    else:
        header = rf"\mathbf{{scan\ over}}\ {tex_symbol(node.attr('axis'))}"
    entering = [f"{a} := {b}".replace("each of ", r"\mathrm{each\ of}\ ") for a, b in bound(node, names)]
    return r",\ ".join([header, *entering])


renderers["latex"] = tex_listing
