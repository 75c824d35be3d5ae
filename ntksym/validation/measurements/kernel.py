"""``kernel``: E[v_i(a) v_i(b)], averaged over the coordinates of the value v and over networks.

Arguments: ``value``, its name in the program's listing; ``index``, the entry of ``sampling.kernel(value)`` (copies and
steps of loops, input, positions, input, positions); ``over`` networks the mean, the variance or the std.
"""

from ntksym.sampling.statistics import kernel
from ntksym.validation.measurements._base import Measurement, entry, register, values_of

KERNEL = register(
    Measurement(
        "kernel",
        lambda network, requests: kernel(*values_of(requests)),
        lambda summary, arguments: entry(summary, arguments, str(arguments["value"])),
        needs=("value", "index"),
    )
)
