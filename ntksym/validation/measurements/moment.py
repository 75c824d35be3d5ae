"""``moment``: E[v_i^k] of single coordinates, averaged over the coordinates of the value v and over networks.

Arguments: ``value``; ``order``, k from 1 to 4; ``index`` (copies and steps of loops, input, positions); ``over``.
"""

from ntksym.errors import ValidationError
from ntksym.records.predictions import Arguments
from ntksym.sampling.estimates import Summary
from ntksym.sampling.statistics import moments
from ntksym.validation.measurements._base import Measurement, entry, register, values_of

HIGHEST = 4


def _read(summary: Summary, arguments: Arguments) -> float:
    order, index = arguments["order"], arguments["index"]
    if not isinstance(order, int) or not 1 <= order <= HIGHEST:
        raise ValidationError(f"a moment of order {order!r} is not measured; give a whole number from 1 to {HIGHEST}")
    assert isinstance(index, tuple)
    return entry(summary, {**arguments, "index": (*index, order - 1)}, str(arguments["value"]))


MOMENT = register(
    Measurement(
        "moment",
        lambda network, requests: moments(*values_of(requests), order=HIGHEST),
        _read,
        needs=("value", "order", "index"),
    )
)
