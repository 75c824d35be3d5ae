"""The steps of a page in LaTeX: symbols, forms, and long right sides broken into rows that fit on a page."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ntksym._lazy import lazy
from ntksym.kernels.rendering_heads import Heads
from ntksym.kernels.rendering_names import WINDOW, Glossary, Reading
from ntksym.kernels.rendering_steps import Applied, Average, Data, ForEach, Gaussians, Inner, Item, Listed, Step, Sum
from ntksym.language.printing_latex import tex_symbol, tex_upright

sympy = lazy("sympy")

LETTERS = {
    **{"K": "K", "C": "C", "E": "E", "dE": r"\dot{E}", "Theta": r"\Theta", "m": r"\mu", "a": "a", "G": "G"},
    **{"nngp": r"\mathcal{K}", "ntk": r"\Theta^{\mathrm{NTK}}"},
}
WIDTH = 74.0
"""How many letters fit into a row."""

_POINTS = {"12": "x, x'", "11": "x, x", "22": "x', x'", "21": "x', x", "1": "x", "2": "x'"}


@dataclass
class Tex:
    """LaTeX of everything on a page; ``symbols`` holds the user's own LaTeX for letters and hyperparameters."""

    glossary: Glossary
    symbols: Mapping[str, str] = field(default_factory=dict)

    # --- expressions ---

    def expression(self, expression: Any) -> str:
        """An expression in one row."""
        names = {symbol: self.symbol(symbol) for symbol in expression.free_symbols}
        return str(
            sympy.latex(expression, symbol_names=names, inv_trig_style="full", parenthesize_super=True, order=None)
        )

    def symbol(self, symbol: Any) -> str:
        if symbol in self.glossary.known:
            return self.reading(self.glossary.known[symbol])
        if symbol.name in self.symbols:
            return self.symbols[symbol.name]
        if symbol.name == "ell":
            return r"\ell"
        if symbol.name.startswith(WINDOW):
            return tex_symbol(f"delta{symbol.name[1:]}")
        if re.fullmatch(r"k\d+", symbol.name):
            return f"k_{{{symbol.name[1:]}}}"
        return tex_symbol(symbol.name)

    def reading(self, reading: Reading) -> str:
        head = self.symbols.get(reading.letter, LETTERS[reading.letter])
        above = ", ".join([*([reading.number] if reading.number else []), *map(self.expression, reading.levels)])
        if above:
            head = (f"{{{head}}}" if "^" in head else head) + f"^{{({above})}}"
        below = self.below(reading.shared, reading.left, reading.right)
        points = ", ".join(self.symbols.get(x, x) for x in _POINTS[reading.points].split(", "))
        return f"{head}{f'_{{{below}}}' if below else ''}({points})"

    def below(self, *groups: tuple[Any, ...]) -> str:
        """Indices; letters of one point stand together where each is a single letter."""
        shown = [[self.expression(index) for index in group] for group in groups if group]
        letters = all(re.fullmatch(r"\\?[a-z]+'?", index) for group in shown for index in group)
        simple = letters or all(len(group) == 1 for group in shown)
        return (", " if simple else ";\\, ").join(("" if simple else ", ").join(group) for group in shown)

    def sum(self, terms: list[Any]) -> list[str]:
        """Terms in the order of a reader, with their signs."""
        shown = [self.expression(term) for term in sorted(terms, key=self.order)]
        return shown[:1] + [term if term.startswith("-") else f"+ {term}" for term in shown[1:]]

    def order(self, term: Any) -> Any:
        letters = self.glossary.letters(term)
        negative = term.could_extract_minus_sign()
        return not letters, "Theta" in letters and "dE" in letters, negative, term.count_ops(), str(term)

    # --- right sides ---

    def rows(self, right: Any, width: float) -> list[str]:
        """A right side as rows, each at most ``width`` letters wide where it can be broken."""
        match right:
            case Sum(over, product):
                return [self.over(over, product)]
            case Average(of):
                return _wrapped(r"\mathbb{E}\left[", self.broken(of, width - 4), r"\right]")
            case Inner():
                return [self.inner(right)]
            case Data():
                return [self.data(right)]
            case Listed(parts, index):
                return self.listed(parts, index, width)
            case Applied():
                return [self.applied(right)]
            case Heads():
                return self.heads(right)
        return self.broken(right, width)

    def over(self, indices: tuple[Any, ...], product: Any) -> str:
        """A sum over indices, the number in front of it first."""
        front, rest = product.as_independent(*self.glossary.known, as_Add=False)
        sign = rf"\sum_{{{', '.join(map(self.expression, indices))}}}" if indices else ""
        return " ".join(
            [
                *([self.expression(front)] if front != 1 else []),
                *([sign] if sign else []),
                *([self.expression(rest)] if rest != 1 else []),
            ]
        )

    def inner(self, inner: Inner) -> str:
        first, second = self.data(inner.first), self.data(inner.second)
        if inner.tokens:
            return rf"\mathbf{{1}}\left[{first} = {second}\right]"
        return f"{self.over(inner.over, 1 / inner.size)} " + rf"\left\langle {first}, {second} \right\rangle"

    def data(self, data: Data) -> str:
        head = self.symbols.get(data.name, tex_symbol(data.name))
        prime = "'" if data.point == "2" else ""
        below = self.below(data.indices)
        return f"{head}{prime}{f'_{{{below}}}' if below else ''}"

    def listed(self, parts: tuple[Any, ...], index: Any, width: float) -> list[str]:
        found = []
        for k, part in enumerate(parts):
            rows = self.broken(part, width - 12)
            rows[-1] += rf", \quad {self.expression(index)} = {k + 1}{';' if k + 1 < len(parts) else ''}"
            found += rows
        return found

    def applied(self, applied: Applied) -> str:
        inside = ", ".join(map(self.expression, applied.of))
        if applied.name == "softmax":
            return rf"\operatorname{{softmax}}_{{{self.expression(applied.over[0])}}}\left({inside}\right)"
        if applied.name == "mask":
            key, query = map(self.expression, applied.over)
            return rf"{inside} \ \text{{if}}\ {key} \le {query},\ \text{{else}}\ -\infty"
        if applied.name == "average":
            return rf"\operatorname{{mean}}_{{{', '.join(map(self.expression, applied.over))}}}\left({inside}\right)"
        return rf"{tex_upright(applied.name)}\left({inside}\right)"

    def heads(self, heads: Heads) -> list[str]:
        """The mean and, in a row of its own, the law of the logits."""
        j, m = map(self.expression, heads.keys)
        over, values = [j, m], self.expression(heads.values)
        softmax = r"\operatorname{softmax}"
        weights = rf"{softmax}(u)_{{{j}}} \, {softmax}(u')_{{{m}}}"
        if heads.changed:
            k, p = map(self.expression, heads.changed)
            over += [k, p]
            parts = [
                rf"\frac{{\partial {softmax}({u})_{{{i}}}}}{{\partial {u}_{{{by}}}}}"
                for u, i, by in (("u", j, k), ("u'", m, p))
            ]
            weights, values = r" \, ".join(parts), rf"{values} \, {self.expression(heads.slopes)}"
        last = [self.expression(x) for x in heads.last]
        seen = rf"{j} \le {last[0]},\ {m} \le {last[1]},\ " if last else ""
        law = rf"\text{{Gaussian}}\ u:\ \mathbb{{E}}[u_{{{j}}} u'_{{{m}}}] = {self.expression(heads.logits)}"
        sign = rf"\sum_{{{', '.join(over)}}}"
        return [rf"{sign} \mathbb{{E}}\left[{weights}\right] {values}", f"{seen}{law}"]

    # --- breaking ---

    def broken(self, expression: Any, width: float) -> list[str]:
        """Rows of an expression: sums are broken between terms, products between factors."""
        terms = list(sympy.Add.make_args(expression))
        whole = " ".join(self.sum(terms))
        if tex_width(whole) <= width:
            return [whole]
        if len(terms) > 1:
            rows: list[str] = []
            for k, term in enumerate(sorted(terms, key=self.order)):
                parts = self.broken(term, width - 2)
                if k and not parts[0].startswith("-"):
                    parts[0] = f"+ {parts[0]}"
                rows += parts
            return _packed(rows, width)
        expanded = sympy.expand_mul(expression)
        if expanded.is_Add and len(expanded.args) > 1:
            sums = [f for f in sympy.Mul.make_args(expression) if f.is_Add]
            if len(sums) == 1:
                front = self.expression(expression / sums[0])
                return _wrapped(rf"{front} \Bigl(", self.broken(sums[0], width - tex_width(front) - 3), r"\Bigr)")
        factors = list(sympy.Mul.make_args(expression))
        if len(factors) > 1:
            return _packed([self.factor(f) for f in factors], width, r"\times ")
        return [whole]

    def factor(self, factor: Any) -> str:
        """A factor of a product: a sum in brackets."""
        shown = self.expression(factor)
        return rf"\left({shown}\right)" if factor.is_Add else shown

    # --- items ---

    def item(self, item: Item) -> list[str]:
        """The rows of an item, each with an & where rows are aligned."""
        pad = r"\quad " * item.level
        match item:
            case ForEach(index, times, _, _):
                return [f"& {pad}{self.rounds(index, times)}"]
            case Gaussians():
                return [f"& {pad}{row}" for row in self.law(item)]
        assert isinstance(item, Step)
        left = self.expression(item.left)
        out: list[str] = []
        for k, right in enumerate(item.right):
            rows = self.rows(right, WIDTH - (tex_width(left) if not k else 4))
            fits = k and len(rows) == 1 and tex_width(out[-1]) + tex_width(rows[0]) <= WIDTH
            if fits:
                out[-1] += f" = {rows[0]}"
            else:
                out.append(f"{left} = {rows[0]}" if not k else rf"\qquad = {rows[0]}")
            out += [rf"\qquad \qquad {row}" for row in rows[1:]]
        if item.note:
            out[-1] += rf" \quad \text{{({item.note})}}"
        return [f"& {pad}{row}" for row in out]

    def rounds(self, index: Any, times: Any) -> str:
        last = self.expression(times - 1)
        shown = "0" if times == 1 else rf"0, \dots, {last}" if times != 2 else "0, 1"
        return rf"\text{{for }} {self.expression(index)} = {shown}\text{{:}}"

    def law(self, item: Gaussians) -> list[str]:
        """(u, v) ~ N(0, ...), and what p, q, r stand for."""
        variables = ", ".join(map(self.expression, item.variables))
        variables = f"({variables})" if len(item.variables) > 1 else variables
        mean = "0"
        if any(m != 0 for m in item.mean):
            mean = ", ".join(map(self.expression, item.mean))
            mean = f"({mean})" if len(item.mean) > 1 else mean
        matrix = r" \\ ".join(" & ".join(map(self.expression, row)) for row in item.covariance)
        columns = "c" * len(item.variables)
        law = rf"\left(\begin{{array}}{{{columns}}}{matrix}\end{{array}}\right)" if len(columns) > 1 else matrix
        first = rf"{variables} \sim \mathcal{{N}}\left({mean}, {law}\right)"
        stands = [(self.expression(symbol), self.broken(value, WIDTH - 10)) for symbol, value in item.stands]
        short = [f"{symbol} = {rows[0]}" for symbol, rows in stands if len(rows) == 1]
        long = [[f"{symbol} = {rows[0]}", *rows[1:]] for symbol, rows in stands if len(rows) > 1]
        out = _packed([first, *short], WIDTH, r",\ ")
        return out + [row if not k else rf"\qquad {row}" for rows in long for k, row in enumerate(rows)]


def _packed(parts: list[str], width: float, between: str = "") -> list[str]:
    """Parts put together in rows as far as they fit."""
    rows = parts[:1]
    for part in parts[1:]:
        if tex_width(rows[-1]) + tex_width(part) + 2 <= width:
            rows[-1] += f" {between}{part}"
        elif between == r"\times ":
            rows.append(between + part)
        else:
            rows[-1] += between.rstrip("\\ ")
            rows.append(part)
    return rows


def _wrapped(opening: str, rows: list[str], closing: str) -> list[str]:
    """Rows between brackets, whose size cannot follow from the rows where there are several."""
    if len(rows) > 1:
        # the bracket that is opened, none of those before it
        opening = re.sub(r"\\left(.)$", r"\\Bigl\1", opening)
        closing = re.sub(r"^\\right", r"\\Bigr", closing)
    rows = [*rows]
    rows[0], rows[-1] = f"{opening}{rows[0]}" if len(rows) > 1 else rows[0], rows[-1]
    return [*rows[:-1], f"{rows[-1]} {closing}"] if len(rows) > 1 else [f"{opening}{rows[0]}{closing}"]


_TOKEN = re.compile(r"\\[A-Za-z]+|\\.|\d|[A-Za-z]|\S")
_WORDS = {"max", "min", "exp", "log", "sin", "cos", "tan", "tanh", "arcsin", "arccos", "arctan", "operatorname", "erf"}
_NOTHING = {"left", "right", "Bigl", "Bigr", "begin", "end", "mathrm", "text", "mathcal", "mathbb", "dot", "limits"}


def tex_width(latex: str) -> float:
    """About how many letters wide a formula is printed: a fraction counts as its wider half, indices are small."""
    return _Width(latex).all()


class _Width:
    def __init__(self, latex: str) -> None:
        self.tokens = _TOKEN.findall(re.sub(r"\\(begin|end)\{\w+\}(\{\w+\})?", "", latex))
        self.at = 0

    def all(self) -> float:
        total = 0.0
        while self.at < len(self.tokens):
            total += self.next()
        return total

    def next(self) -> float:
        token = self.tokens[self.at]
        self.at += 1
        if token == "{":
            total = 0.0
            while self.at < len(self.tokens) and self.tokens[self.at] != "}":
                total += self.next()
            self.at += 1
            return total
        if token in "^_" and self.at < len(self.tokens):
            return 0.7 * self.next()
        word = token[1:] if token.startswith("\\") else ""
        if word in ("frac", "tfrac", "dfrac") and self.at + 1 < len(self.tokens):
            return max(self.next(), self.next()) + 0.5
        if word == "sqrt":
            return 1.0 + self.next()
        if word in _WORDS:
            return 0.9 * len(word)
        if word in _NOTHING or token in ("}", "&"):
            return 0.0
        if word in ("quad", "qquad"):
            return 2.0 * len(word) / 4
        return 1.8 if token in ("=", "+", "-", "<", ">", r"\sim", r"\times") else 0.6 if token in ",;.'()[]|" else 1.1
