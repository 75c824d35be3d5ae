"""The steps of a page as plain text."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from ntksym._lazy import lazy
from ntksym.gaussian.special import BivariateNormal, NormalCDF
from ntksym.kernels.rendering_heads import Heads
from ntksym.kernels.rendering_names import Glossary, Reading
from ntksym.kernels.rendering_steps import Applied, Average, Data, ForEach, Gaussians, Inner, Item, Listed, Step, Sum

sympy = lazy("sympy")

_POINTS = {"12": "x, x'", "11": "x, x", "22": "x', x'", "1": "x", "2": "x'"}


@dataclass
class Text:
    """Plain text of everything on a page."""

    glossary: Glossary

    def expression(self, expression: Any) -> str:
        shown = expression.replace(NormalCDF, sympy.Function("Phi")).replace(BivariateNormal, sympy.Function("Phi2"))
        if not shown.free_symbols & set(self.glossary.known):
            return self.term(shown)
        parts = [self.term(term) for term in sorted(sympy.Add.make_args(shown), key=self.order)]
        return "".join(
            part if not k else f" - {part[1:]}" if part.startswith("-") else f" + {part}"
            for k, part in enumerate(parts)
        )

    def term(self, term: Any) -> str:
        # the glossary's own names keep hyperparameters in front of a product
        known = {symbol.name: reading for symbol, reading in self.glossary.known.items()}
        return re.sub(r"~\d+", lambda found: self.reading(known[found[0]]), str(sympy.sstr(term)))

    def order(self, term: Any) -> Any:
        letters = self.glossary.letters(term)
        negative = term.could_extract_minus_sign()
        return not letters, "Theta" in letters and "dE" in letters, negative, term.count_ops(), str(term)

    def reading(self, reading: Reading) -> str:
        levels = f"[{', '.join(map(self.expression, reading.levels))}]" if reading.levels else ""
        below = self.below(reading.shared, reading.left, reading.right)
        return f"{reading.letter}{reading.number}{levels}{below}({_POINTS[reading.points]})"

    def below(self, *groups: tuple[Any, ...]) -> str:
        shown = [",".join(map(self.expression, group)) for group in groups if group]
        return f"_{{{'; '.join(shown)}}}" if shown else ""

    def right(self, right: Any) -> str:
        match right:
            case Sum(over, product):
                return self.over(over, product)
            case Average(of):
                return f"E[{self.expression(of)}]"
            case Inner(first, second, _, _, True):
                return f"1[{self.data(first)} = {self.data(second)}]"
            case Inner(first, second, over, size, _):
                return f"{self.over(over, 1 / size)} <{self.data(first)}, {self.data(second)}>"
            case Data():
                return self.data(right)
            case Listed(parts, index):
                where = self.expression(index)
                return "; ".join(f"{self.expression(part)} at {where} = {k + 1}" for k, part in enumerate(parts))
            case Applied():
                return self.applied(right)
            case Heads():
                return self.heads(right)
        return self.expression(right)

    def over(self, indices: tuple[Any, ...], product: Any) -> str:
        front, rest = product.as_independent(*self.glossary.known, as_Add=False)
        parts = [self.expression(front)] if front != 1 else []
        parts += [f"sum_{{{','.join(map(self.expression, indices))}}}"] if indices else []
        parts += [self.expression(rest)] if rest != 1 else []
        return " ".join(parts)

    def data(self, data: Data) -> str:
        return f"{data.name}{chr(39) if data.point == '2' else ''}{self.below(data.indices)}"

    def applied(self, applied: Applied) -> str:
        inside, over = ", ".join(map(self.expression, applied.of)), ",".join(map(self.expression, applied.over))
        if applied.name == "mask":
            key, query = map(self.expression, applied.over)
            return f"{inside} if {key} <= {query}, else -oo"
        name = {"average": "mean"}.get(applied.name, applied.name)
        return f"{name}_{{{over}}}({inside})" if over else f"{name}({inside})"

    def heads(self, heads: Heads) -> str:
        j, m = map(self.expression, heads.keys)
        weights, values = f"softmax(u)_{{{j}}} softmax(u')_{{{m}}}", self.expression(heads.values)
        over = [j, m]
        if heads.changed:
            k, p = map(self.expression, heads.changed)
            over += [k, p]
            weights = f"d softmax(u)_{{{j}}}/du_{{{k}}} d softmax(u')_{{{m}}}/du'_{{{p}}}"
            values += f" {self.expression(heads.slopes)}"
        last = [self.expression(x) for x in heads.last]
        seen = f", {j} <= {last[0]}, {m} <= {last[1]}" if last else ""
        law = f"Gaussian u with E[u_{{{j}}} u'_{{{m}}}] = {self.expression(heads.logits)}"
        return f"sum_{{{','.join(over)}}} E[{weights}] {values}{seen}, {law}"

    def item(self, item: Item) -> str:
        """The line of an item."""
        pad = "    " * item.level
        match item:
            case ForEach(index, times, name, _):
                last = self.expression(times - 1)
                rounds = "0" if times == 1 else "0, 1" if times == 2 else f"0, ..., {last}"
                return f"{pad}for {self.expression(index)} = {rounds}:    # {name}"
            case Gaussians():
                return pad + self.law(item)
        assert isinstance(item, Step)
        note = f"    # {item.note}" if item.note else ""
        return f"{pad}{' = '.join([self.expression(item.left), *map(self.right, item.right)])}{note}"

    def law(self, item: Gaussians) -> str:
        one = len(item.variables) == 1
        variables = ", ".join(map(self.expression, item.variables))
        mean = ", ".join(map(self.expression, item.mean)) if any(m != 0 for m in item.mean) else "0"
        mean = f"({mean})" if "," in mean else mean
        rows = [", ".join(map(self.expression, row)) for row in item.covariance]
        law = rows[0] if one else f"[{', '.join(f'[{row}]' for row in rows)}]"
        stands = ", ".join(f"{self.expression(symbol)} = {self.expression(value)}" for symbol, value in item.stands)
        return f"{variables if one else f'({variables})'} ~ N({mean}, {law}){', ' if stands else ''}{stands}"
