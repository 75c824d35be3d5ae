"""The abc symmetry: the same training written with other multipliers.

W = M w is unchanged when M is multiplied by n^theta and w divided by it; the learning rate must follow so that
updates of W are the same (SGD: n^(-2 theta), Adam: n^-theta, parameter-scaled: 1), and epsilon and weight decay
with it (Yang & Hu 2020; Yang et al. 2022, Appendix J).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from ntksym.errors import ScalingError
from ntksym.scaling.derive import scaling_table
from ntksym.scaling.growth import Growth
from ntksym.scaling.parametrizations import Exponents, Split, parametrization_named
from ntksym.scaling.table import COLUMNS, ScalingTable

NewForm = str | Split | Mapping[str, Exponents]


def convert(table: ScalingTable, form: NewForm) -> ScalingTable:
    """The same table with other multipliers; init std, rate, epsilon and decay follow.

    Args:
        table: a table made by ``scaling_table``.
        form: "table3", "table8", "table9" (Yang et al. 2022), "unit" (unit initial variance), or the multipliers'
            exponents by pattern of parameter names: {"readout.w": {"n": -1}}; parameters that no pattern matches
            keep theirs.

    Raises:
        ScalingError: an unknown form, or a table that was read from a file and knows no program.

    Example:
        >>> import ntksym as ns
        >>> table = ns.scaling_table(ns.zoo.load("mlp")(depth=1))
        >>> unit = ns.convert(table, "unit")
        >>> row = unit["readout.w"]
        >>> print(table["readout.w"].init_std, "becomes", row.init_std, "times", row.multiplier)
        n^-1 becomes 1 times n^-1
        >>> ns.equivalent(table, unit)
        True
    """
    origin = table.origin
    if origin is None:
        raise ScalingError("this table was read from a file; derive it again with ntksym.scaling_table to convert it")
    parametrization = origin.parametrization
    if isinstance(form, Mapping):
        kept = {pattern: powers for pattern, powers in parametrization.multipliers.items() if pattern not in form}
        parametrization = replace(parametrization, multipliers={**form, **kept})
    else:
        parametrization = parametrization_named(parametrization, form)
    return scaling_table(
        origin.program,
        optimizer=origin.optimizer,
        parametrization=parametrization,
        alignment=table.alignment,
        large=table.large,
    )


def equivalent(a: ScalingTable, b: ScalingTable) -> bool:
    """Whether two tables of one program describe the same training: equal once multipliers are taken out.

    A table whose rows were changed by hand is equivalent only to one with the same rows.

    Example:
        >>> import ntksym as ns
        >>> net = ns.zoo.load("mlp")
        >>> ns.equivalent(ns.scaling_table(net), ns.scaling_table(net, form="table9"))
        True
        >>> ns.equivalent(ns.scaling_table(net), ns.scaling_table(net, parametrization="ntp"))
        False
    """
    if (a.digest, a.large) != (b.digest, b.large):
        return False
    if _columns(a) == _columns(b):
        return True
    untouched = all(_columns(convert(table, {})) == _columns(table) for table in (a, b))
    return untouched and _columns(convert(a, "table3")) == _columns(convert(b, "table3"))


def _columns(table: ScalingTable) -> list[list[Growth | None]]:
    return [[row.column(name) for name in COLUMNS] for row in table.parameters]
