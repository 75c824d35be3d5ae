"""The literature behind a recursion: an entry for each kind of line that it holds, never for a name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from ntksym.gaussian.special import BivariateNormal
from ntksym.kernels.recursion import KernelRecursion
from ntksym.language.program import walk as walk_block
from ntksym.records.formula import Expected, Formula, HeadAverage, Moved, Pointwise, walk


@dataclass(frozen=True)
class Source:
    """A BibTeX entry, and whether a program's formula uses what it shows."""

    key: str
    kind: str
    fields: tuple[tuple[str, str], ...]
    used: Callable[[KernelRecursion], bool]

    def bibtex(self) -> str:
        width = max(len(name) for name, _ in self.fields)
        rows = [f"  {name:<{width}} = {{{value}}}," for name, value in self.fields]
        return "\n".join((f"@{self.kind}{{{self.key},", *rows, "}"))


def bibtex(recursion: KernelRecursion) -> str:
    """The entries of all sources that a recursion uses."""
    return "\n\n".join(source.bibtex() for source in SOURCES if source.used(recursion)) + "\n"


def _always(recursion: KernelRecursion) -> bool:
    return True


def _tangent(recursion: KernelRecursion) -> bool:
    return any(line.name == "ntk" for line in recursion.formula)


def _windows(recursion: KernelRecursion) -> bool:
    return any(node.op == "patches" for node in recursion.program.nodes.values())


def _windows_and_tangent(recursion: KernelRecursion) -> bool:
    return _windows(recursion) and _tangent(recursion)


def _attention(recursion: KernelRecursion) -> bool:
    many_heads = any(isinstance(line, HeadAverage) for line in walk(recursion.formula.lines))
    return many_heads or any(op == "softmax" for op in _weights(recursion.formula))


def _graph(recursion: KernelRecursion) -> bool:
    return any(op == "data" for op in _weights(recursion.formula)) and _tangent(recursion)


def _weights(formula: Formula) -> list[str]:
    """The operations that make the weights of sums over positions."""
    lines = {line.name: line for line in walk(formula.lines)}
    mixed = [lines[line.weights] for line in lines.values() if isinstance(line, Moved) and line.op == "mix"]
    return [line.op for line in mixed if isinstance(line, Pointwise)]


def _time(recursion: KernelRecursion) -> bool:
    """Whether steps of time share weight matrices."""
    scans = [node.block for node in recursion.program.nodes.values() if node.op == "scan"]
    return any(node.op == "matmul" for block in scans if block for node in walk_block(block)) and _tangent(recursion)


def _closed_forms(recursion: KernelRecursion) -> bool:
    return any("rank-one" in line.answer.strategy for line in _expected(recursion))


def _bivariate(recursion: KernelRecursion) -> bool:
    return any(line.answer.expression.has(BivariateNormal) for line in _expected(recursion))


def _expected(recursion: KernelRecursion) -> list[Expected]:
    return [line for line in walk(recursion.formula.lines) if isinstance(line, Expected)]


def _paper(
    key: str, authors: str, title: str, where: str, year: int, arxiv: str, used: Callable[[KernelRecursion], bool]
) -> Source:
    fields = (
        ("author", authors),
        ("title", title),
        ("booktitle", where),
        ("year", str(year)),
        ("eprint", arxiv),
        ("archiveprefix", "arXiv"),
    )
    return Source(key, "inproceedings", fields, used)


def _article(
    key: str, author: str, title: str, journal: str, issue: tuple[str, str, int], used: Callable[..., bool]
) -> Source:
    volume, pages, year = issue
    fields = (("author", author), ("title", title), ("journal", journal), ("volume", volume), ("pages", pages))
    return Source(key, "article", (*fields, ("year", str(year))), used)


_NEURIPS = "Advances in Neural Information Processing Systems"
_ICLR = "International Conference on Learning Representations"

SOURCES = (
    _paper(
        "lee2018deep",
        "Lee, Jaehoon and Bahri, Yasaman and Novak, Roman and Schoenholz, Samuel S. and Pennington, Jeffrey and "
        "Sohl-Dickstein, Jascha",
        "Deep Neural Networks as {Gaussian} Processes",
        _ICLR,
        2018,
        "1711.00165",
        _always,
    ),
    _paper(
        "yang2019wide",
        "Yang, Greg",
        "Wide Feedforward or Recurrent Neural Networks of Any Architecture are {Gaussian} Processes",
        _NEURIPS,
        2019,
        "1910.12478",
        _always,
    ),
    _paper(
        "jacot2018neural",
        "Jacot, Arthur and Gabriel, Franck and Hongler, Cl{\\'e}ment",
        "Neural Tangent Kernel: Convergence and Generalization in Neural Networks",
        _NEURIPS,
        2018,
        "1806.07572",
        _tangent,
    ),
    Source(
        "yang2020tensor",
        "misc",
        (
            ("author", "Yang, Greg"),
            ("title", "Tensor Programs {II}: Neural Tangent Kernel for Any Architecture"),
            ("year", "2020"),
            ("eprint", "2006.14548"),
            ("archiveprefix", "arXiv"),
        ),
        _tangent,
    ),
    _paper(
        "novak2019bayesian",
        "Novak, Roman and Xiao, Lechao and Lee, Jaehoon and Bahri, Yasaman and Yang, Greg and Hron, Jiri and "
        "Abolafia, Daniel A. and Pennington, Jeffrey and Sohl-Dickstein, Jascha",
        "{Bayesian} Deep Convolutional Networks with Many Channels are {Gaussian} Processes",
        _ICLR,
        2019,
        "1810.05148",
        _windows,
    ),
    _paper(
        "arora2019exact",
        "Arora, Sanjeev and Du, Simon S. and Hu, Wei and Li, Zhiyuan and Salakhutdinov, Ruslan and Wang, Ruosong",
        "On Exact Computation with an Infinitely Wide Neural Net",
        _NEURIPS,
        2019,
        "1904.11955",
        _windows_and_tangent,
    ),
    _paper(
        "du2019graph",
        "Du, Simon S. and Hou, Kangcheng and Salakhutdinov, Ruslan and P{\\'o}czos, Barnab{\\'a}s and Wang, Ruosong "
        "and Xu, Keyulu",
        "Graph Neural Tangent Kernel: Fusing Graph Neural Networks with Graph Kernels",
        _NEURIPS,
        2019,
        "1905.13192",
        _graph,
    ),
    _paper(
        "hron2020infinite",
        "Hron, Jiri and Bahri, Yasaman and Sohl-Dickstein, Jascha and Novak, Roman",
        "Infinite attention: {NNGP} and {NTK} for deep attention networks",
        "International Conference on Machine Learning",
        2020,
        "2006.10540",
        _attention,
    ),
    _paper(
        "alemohammad2021recurrent",
        "Alemohammad, Sina and Wang, Zichao and Balestriero, Randall and Baraniuk, Richard",
        "The Recurrent Neural Tangent Kernel",
        _ICLR,
        2021,
        "2006.10246",
        _time,
    ),
    _article(
        "stein1981estimation",
        "Stein, Charles M.",
        "Estimation of the Mean of a Multivariate Normal Distribution",
        "The Annals of Statistics",
        ("9", "1135--1151", 1981),
        _closed_forms,
    ),
    _article(
        "plackett1954reduction",
        "Plackett, R. L.",
        "A Reduction Formula for Normal Multivariate Integrals",
        "Biometrika",
        ("41", "351--360", 1954),
        _bivariate,
    ),
)
"""All sources; which of them apply is read off the program's operations and the formula's lines."""
