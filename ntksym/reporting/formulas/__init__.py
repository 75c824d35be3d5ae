"""Formulas without a typesetter: LaTeX is read into a tree, which is written as MathML or as Typst.

One reader and a file for each form that is written; records, derivations and notes keep LaTeX as their only form.
"""

from ntksym.reporting.formulas.mathml import to_mathml
from ntksym.reporting.formulas.read import read
from ntksym.reporting.formulas.typst import to_typst

__all__ = ["read", "to_mathml", "to_typst"]
