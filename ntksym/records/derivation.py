"""A derivation: numbered steps, each with its formula, its justification, and a check that a machine runs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import zip_longest
from math import log, sqrt
from statistics import fmean, linear_regression, stdev
from typing import Any

from ntksym._lazy import lazy
from ntksym.errors import NtksymError
from ntksym.records.escapes import tex_escaped_text

sympy = lazy("sympy")

JUSTIFICATIONS = {
    "definition": "what a symbol means, or what is demanded",
    "algebra": "solving and rearranging, in exact numbers",
    "chain rule": "differentiating a composition",
    "Taylor expansion": "a smooth function is its leading order, for a change that is small",
    "central limit theorem": "a sum of m independent zero-mean terms has size m^(1/2)",
    "law of large numbers": "a sum of m terms of nonzero mean has size m, and divided by m it is their expectation",
    "Stein's lemma": "E[u g(u, v)] = E[u u] E[dg/du] + E[u v] E[dg/dv] for centred Gaussians u, v",
    "Price's theorem": "the derivative of E[f(u) g(v)] by E[u v] is E[f'(u) g'(v)]",
    "gradient independence": "weights that a gradient comes back through count as drawn anew, given the forward pass",
    "operator norm": "a matrix lengthens no vector by more than its largest singular value",
    "induction": "true for the first layer or step, and passed on from each to the next",
    "comparison": "two independent computations give the same",
}
"""The words a step may be justified by, and what each claims."""


@dataclass(frozen=True)
class Step:
    """One step.

    ``text`` is prose with formulas between dollars, ``latex`` the displayed formula (may be empty), ``because`` one of
    ``JUSTIFICATIONS``. ``check`` raises where the step is wrong, and returns in a few words what it has checked.
    """

    label: str
    text: str
    latex: str
    because: str
    check: Callable[[], str]

    def __post_init__(self) -> None:
        if self.because not in JUSTIFICATIONS:
            known = ", ".join(JUSTIFICATIONS)
            raise NtksymError(f"step {self.label}: {self.because!r} is no justification; known are: {known}")


@dataclass(frozen=True)
class Checked:
    """A step that has passed its check, and what was checked."""

    step: Step
    evidence: str


@dataclass(frozen=True)
class Derivation:
    """Numbered steps that lead from definitions to a result; ``name`` is short, ``sources`` say who did it before."""

    number: int
    name: str
    title: str
    steps: tuple[Step, ...]
    sources: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        labels = [step.label for step in self.steps]
        twice = sorted({label for label in labels if labels.count(label) > 1})
        if twice:
            raise NtksymError(f"derivation {self.number}: two steps have the label {twice[0]}")

    def run(self) -> tuple[Checked, ...]:
        """Execute every check; raises NtksymError that names the first step whose check fails."""
        return tuple(Checked(step, self._evidence(step)) for step in self.steps)

    def _evidence(self, step: Step) -> str:
        where = f"derivation {self.number}, step {step.label}"
        try:
            evidence = step.check()
        except Exception as error:
            raise NtksymError(f"{where}: {error}") from error
        if not evidence:
            raise NtksymError(f"{where}: the check does not say what it has checked")
        return evidence

    def to_markdown(self, checked: Sequence[Checked] = ()) -> str:
        """The derivation as Markdown with dollar formulas; with what ``run`` returned, the evidence too."""
        lines = [f"# {self.number}. {self.title}", ""]
        for i, (step, done) in enumerate(zip_longest(self.steps, checked), 1):
            lines += [f"**{self.number}.{i} {step.label}** ({step.because}). {step.text}", ""]
            if step.latex:
                lines += [f"$$\n{step.latex}\n$$", ""]
            if done:
                lines += [f"*Checked: {done.evidence}.*", ""]
        if self.sources:
            lines += ["Sources:", "", *(f"- {source}" for source in self.sources), ""]
        return "\n".join(lines)

    def to_latex(self, checked: Sequence[Checked] = ()) -> str:
        """The derivation as a complete LaTeX document; with what ``run`` returned, the evidence too."""
        lines = [*_PREAMBLE, rf"\section*{{{self.number}. {_prose(self.title)}}}", ""]
        for i, (step, done) in enumerate(zip_longest(self.steps, checked), 1):
            head = rf"\paragraph{{{self.number}.{i} {_prose(step.label)}}} (\emph{{{step.because}}})"
            lines.append(f"{head} {_prose(step.text)}")
            if step.latex:
                lines += [r"\begin{equation*}", step.latex, rf"\tag{{{self.number}.{i}}}", r"\end{equation*}"]
            if done:
                lines.append(rf"\emph{{Checked: {_prose(done.evidence)}.}}")
            lines.append("")
        if self.sources:
            lines += [r"\paragraph{Sources}", r"\begin{itemize}"]
            lines += [rf"\item {_prose(source)}" for source in self.sources]
            lines.append(r"\end{itemize}")
        return "\n".join([*lines, r"\end{document}", ""])


# --- what checks are made of -----------------------------------------------------------------------------------

Claim = Mapping[str, Any]
"""What a step claims, by name: exponents as fractions, formulas as SymPy expressions, or numbers.

A check takes it as the argument ``claim``, bound by ``partial``.
"""


def root(line: Callable[[Fraction], Fraction]) -> Fraction:
    """Where a straight line is zero, exactly."""
    zero, one = line(Fraction(0)), line(Fraction(1))
    return -zero / (one - zero)


def solved(claim: Claim, found: Claim) -> str:
    """Evidence that exponents solved for are the claimed ones; raises NtksymError with the first that is not."""
    for name in dict.fromkeys((*claim, *found)):
        if claim.get(name) != found.get(name):
            raise NtksymError(f"{name}: claimed {claim.get(name)}, solved for {found.get(name)}")
    return f"{len(found)} exponents solved for in exact fractions"


def identical(claim: Claim, found: Claim) -> str:
    """Evidence that formulas found are the claimed ones, by SymPy; raises NtksymError with the first that is not."""
    if claim.keys() != found.keys():
        raise NtksymError(f"claimed is {', '.join(claim)}; found is {', '.join(found)}")
    for name, formula in found.items():
        if sympy.simplify(sympy.sympify(claim[name]) - formula) != 0:
            raise NtksymError(f"{name}: claimed {claim[name]}, found {formula}")
    return f"{len(found)} formula{'s' * (len(found) > 1)} equal by computer algebra"


def agreeing(claim: Claim, found: Mapping[str, tuple[float, float]]) -> str:
    """Evidence that numbers found are the claimed ones; ``found`` holds each with a bound on its error.

    Raises NtksymError with the first that is off, or that is too uncertain to tell apart what differs by a half.
    """
    if claim.keys() != found.keys():
        raise NtksymError(f"claimed is {', '.join(claim)}; found is {', '.join(found)}")
    worst = 0.0
    for name, (value, bound) in found.items():
        off = abs(value - float(claim[name]))
        if not bound < 0.2:
            raise NtksymError(f"{name}: {value:.4g} is known to {bound:.2g} only; take more samples")
        if not off <= bound:
            raise NtksymError(f"{name}: found {value:.6g} up to {bound:.2g}, not {float(claim[name]):.6g}")
        worst = max(worst, bound)
    return f"{len(found)} number{'s' * (len(found) > 1)} within {worst:.1g}"


def fitted_slopes(
    measure: Callable[[int, int], Mapping[str, float]], widths: Sequence[int], seeds: int
) -> dict[str, list[float]]:
    """The slope of log size against log width, once for every seed; ``measure(width, seed)`` gives sizes by name."""
    runs = [[measure(width, seed) for width in widths] for seed in range(seeds)]
    logs = [log(width) for width in widths]
    return {
        name: [linear_regression(logs, [log(sizes[name]) for sizes in run]).slope for run in runs]
        for name in runs[0][0]
    }


def measured(claim: Claim, slopes: Mapping[str, Sequence[float]], finite: float = 0.05) -> str:
    """Evidence that each mean slope is the claimed exponent, within four standard errors plus ``finite``.

    ``finite`` allows for widths that are not infinite. Raises NtksymError with the first slope that is off, or that
    is too uncertain to tell exponents apart which differ by a half.
    """
    if claim.keys() != slopes.keys():
        raise NtksymError(f"claimed is {', '.join(claim)}; measured is {', '.join(slopes)}")
    worst = 0.0
    for name, values in slopes.items():
        mean, error = fmean(values), stdev(values) / sqrt(len(values))
        off, allowed = abs(mean - claim[name]), finite + 4 * error
        if allowed > 0.2:
            raise NtksymError(f"{name}: the slope {mean:.3f} has the standard error {error:.3f}; take more seeds")
        if off > allowed:
            raise NtksymError(f"{name}: the slope is {mean:.3f} with standard error {error:.3f}, not {claim[name]}")
        worst = max(worst, off)
    seeds = len(next(iter(slopes.values())))
    return f"{len(slopes)} measured slopes, {seeds} seeds, largest deviation {worst:.3f}"


# --- rendering --------------------------------------------------------------------------------------------------

_PREAMBLE = (
    r"\documentclass{article}",
    r"\usepackage{amsmath,amssymb}",
    r"\setlength{\textwidth}{160mm}",
    r"\setlength{\oddsidemargin}{0mm}",
    r"\setlength{\parindent}{0pt}",
    r"\begin{document}",
)


def _prose(text: str) -> str:
    """Text with formulas between dollars, as LaTeX: only what stands outside of formulas is escaped."""
    parts = text.split("$")
    if len(parts) % 2 == 0:
        raise NtksymError(f"a formula is not closed by a dollar: {text}")
    return "$".join(part if i % 2 else _escaped(part) for i, part in enumerate(parts))


def _escaped(text: str) -> str:
    before, after = (" " if edge.isspace() else "" for edge in (text[:1], text[-1:]))
    return before + tex_escaped_text(text) + after
