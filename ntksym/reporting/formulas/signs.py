"""The signs that LaTeX has names for, as far as ntksym writes them."""

from __future__ import annotations

_GREEK_NAMES = """
alpha beta gamma delta varepsilon zeta eta theta iota kappa lambda mu nu xi pi rho varsigma sigma tau upsilon varphi
chi psi omega vartheta phi varpi varrho epsilon ell
"""
_FUNCTION_NAMES = """
arccos arcsin arctan arg cos cosh cot coth det dim exp gcd inf ker lim liminf limsup ln log max min Pr sec sin sinh sup
tan tanh
"""
_CAPITAL_NAMES = "Gamma Delta Theta Lambda Xi Pi Sigma Upsilon Phi Psi Omega"

GREEK = dict(zip(_GREEK_NAMES.split(), "αβγδεζηθικλμνξπρςστυφχψωϑϕϖϱϵℓ", strict=True))
CAPITALS = dict(zip(_CAPITAL_NAMES.split(), "ΓΔΘΛΞΠΣΥΦΨΩ", strict=True))
FUNCTIONS = frozenset(_FUNCTION_NAMES.split())
OPERATORS = {
    **{"cdot": "⋅", "times": "×", "odot": "⊙", "otimes": "⊗", "oplus": "⊕", "circ": "∘", "ast": "∗", "star": "⋆"},
    **{"le": "≤", "leq": "≤", "ge": "≥", "geq": "≥", "ne": "≠", "neq": "≠", "ll": "≪", "gg": "≫", "equiv": "≡"},
    **{"approx": "≈", "sim": "∼", "simeq": "≃", "propto": "∝", "in": "∈", "notin": "∉", "subset": "⊂", "pm": "±"},
    **{"mp": "∓", "to": "→", "rightarrow": "→", "leftarrow": "←", "mapsto": "↦", "Rightarrow": "⇒", "iff": "⇔"},
    **{"Leftrightarrow": "⇔", "longrightarrow": "⟶", "implies": "⟹", "Longrightarrow": "⟹", "forall": "∀"},
    **{"exists": "∃", "partial": "∂", "nabla": "∇", "infty": "∞", "dots": "…", "ldots": "…", "cdots": "⋯"},
    **{"vdots": "⋮", "ddots": "⋱", "sum": "∑", "prod": "∏", "int": "∫", "langle": "⟨", "rangle": "⟩"},
    **{"lvert": "|", "rvert": "|", "vert": "|", "mid": "|", "Vert": "‖", "lVert": "‖", "rVert": "‖", "|": "‖"},
    **{"lfloor": "⌊", "rfloor": "⌋", "lceil": "⌈", "rceil": "⌉", "lbrace": "{", "rbrace": "}"},
    **{"parallel": "∥", "perp": "⊥", "top": "⊤", "wedge": "∧", "vee": "∨", "cap": "∩", "cup": "∪", "setminus": "∖"},
    **{"prime": "′", "backslash": "\\", "surd": "√", "dagger": "†", "colon": ":", "lbrack": "[", "rbrack": "]"},
    **{"emptyset": "∅", "Re": "ℜ", "Im": "ℑ", "hbar": "ℏ", "bullet": "∙", "leftrightarrow": "↔", "asymp": "≍"},
    **{character: character for character in "_#$%&{}"},
}
WITH_LIMITS = frozenset(("∑", "∏", "lim", "max", "min", "sup", "inf", "liminf", "limsup", "argmax", "argmin"))
SPACES = {",": 1 / 6, ":": 2 / 9, ";": 5 / 18, "!": -1 / 6, " ": 1 / 4, "quad": 1.0, "qquad": 2.0, "\n": 1 / 4}
ACCENTS = {"dot": "˙", "ddot": "¨", "hat": "^", "widehat": "^", "bar": "¯", "overline": "¯", "tilde": "~", "vec": "→"}
ACCENTS["widetilde"] = "~"
FENCES = {"(": "(", ")": ")", "[": "[", "]": "]", "|": "|", "/": "/", ".": "", "<": "⟨", ">": "⟩"}
_STYLED = {"mathbb": 0x1D538, "mathcal": 0x1D49C, "mathbf": 0x1D400, "mathscr": 0x1D49C, "boldsymbol": 0x1D400}
# letters of these alphabets that Unicode had before it had the alphabets
_OLDER = {
    "mathbb": dict(zip("CHNPQRZ", "ℂℍℕℙℚℝℤ", strict=True)),
    "mathcal": dict(zip("BEFHILMRego", "ℬℰℱℋℐℒℳℛℯℊℴ", strict=True)),
}
_OLDER["mathscr"] = _OLDER["mathcal"]
STYLES = frozenset(_STYLED)


def styled(style: str, text: str) -> str:
    """Latin letters (and, in bold, digits) in another alphabet; all other signs as they are."""
    return "".join(_OLDER.get(style, {}).get(sign) or _moved(style, sign) for sign in text)


def _moved(style: str, sign: str) -> str:
    start = _STYLED[style]
    if "A" <= sign <= "Z":
        return chr(start + ord(sign) - ord("A"))
    if "a" <= sign <= "z":
        return chr(start + 26 + ord(sign) - ord("a"))
    if sign.isdecimal() and sign.isascii():
        return {"mathbf": chr(0x1D7CE + int(sign)), "mathbb": chr(0x1D7D8 + int(sign))}.get(style, sign)
    return sign
