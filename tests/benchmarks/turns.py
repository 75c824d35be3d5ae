"""Times of functions that take turns: a machine that others use is not equally fast all the time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from time import perf_counter, process_time
from typing import Any

import numpy as np


def in_turns(functions: Sequence[Callable[[], object]], times: int) -> Any:
    """Median times on the wall and on all processors, in milliseconds: one row for each function."""
    found = np.empty((times, len(functions), 2))
    for row in found:
        for k, f in enumerate(functions):
            f()  # what the others left in the caches is not its own
            start, busy = perf_counter(), process_time()
            f()
            row[k] = perf_counter() - start, process_time() - busy
    return 1e3 * np.median(found, axis=0)
