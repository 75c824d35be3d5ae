"""Many calls of one function, in order: in this process, on Dask, or in an executor; with a bar to look at."""

from __future__ import annotations

import sys
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from ntksym._lazy import lazy
from ntksym.errors import NtksymError

distributed = lazy("distributed")
rich_progress = lazy("rich.progress")
rich_console = lazy("rich.console")

T = TypeVar("T")

LOCAL = "dask"
"""The scheduler that stands for a Dask cluster of this process, which lasts as long as the calls do."""
ANY_PORT = "127.0.0.1:0"
"""Where a cluster's pages are; its default port may be taken, also where it is told to have none."""


def map_chunks(
    function: Callable[..., Any], arguments: Iterable[tuple[Any, ...]], scheduler: Any = None, ahead: int = 32
) -> Iterator[Any]:
    """``function`` of each tuple of arguments, in order.

    Args:
        scheduler: as for ``workers``.
        ahead: how many calls are under way at most.
    """
    with workers(scheduler) as pool:
        if pool is None:
            yield from (function(*each) for each in arguments)
            return
        waiting: deque[Any] = deque()
        for each in arguments:
            waiting.append(pool.submit(function, *each))
            if len(waiting) >= ahead:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


@contextmanager
def workers(scheduler: Any) -> Iterator[Any]:
    """What calls are given to: None for this process, else something with ``submit``; what is opened here is closed.

    Args:
        scheduler: None for this process, "dask" for a Dask cluster of threads of it, the address of a Dask
            scheduler, or anything with ``submit`` (a Dask client, an executor of ``concurrent.futures``).

    Raises NtksymError if no scheduler answers at the address.
    """
    if not isinstance(scheduler, str):
        yield scheduler
    elif scheduler == LOCAL:
        with (
            distributed.LocalCluster(n_workers=1, processes=False, dashboard_address=ANY_PORT) as cluster,
            distributed.Client(cluster) as client,
        ):
            yield client
    else:
        with _client(scheduler) as client:
            yield client


def _client(address: str) -> Any:
    try:
        return distributed.Client(address)
    except (OSError, ValueError) as error:
        raise NtksymError(
            f"no Dask scheduler answers at {address} ({error}); expected an address such as tcp://host:8786, or {LOCAL}"
        ) from None


def with_bar(results: Iterable[T], total: int, progress: bool, what: str) -> Generator[T, None, None]:
    """The results as they come, and a bar that counts them on standard error if ``progress`` and it is a terminal."""
    if not (progress and sys.stderr.isatty()):
        yield from results
        return
    columns = (*rich_progress.Progress.get_default_columns(), rich_progress.MofNCompleteColumn())
    with rich_progress.Progress(*columns, console=rich_console.Console(stderr=True)) as bar:
        yield from bar.track(results, total=total, description=what)
