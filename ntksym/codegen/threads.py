"""Work shared by several threads, the calling one among them, and nobody else's beside them."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import lru_cache
from queue import Empty, SimpleQueue
from threading import Lock
from typing import Any, TypeVar

from ntksym._lazy import lazy

threadpoolctl = lazy("threadpoolctl")

T = TypeVar("T")


def processors() -> int:
    """How many threads can run at once: those that this process may use, where the system says so."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def for_each(work: Callable[[T], object], items: Iterable[T], threads: int) -> None:
    """Do ``work`` for all items, on as many threads.

    The calling thread takes its share, so that little work is done before the others have woken up. The first error is
    raised here, and nothing is begun after it.
    """
    left: SimpleQueue[T] = SimpleQueue()
    for item in items:
        left.put(item)

    def some() -> None:
        while (item := _next(left)) is not None:
            try:
                work(item[0])
            except BaseException:
                while _next(left):
                    pass
                raise

    others = [_pool(threads - 1).submit(some) for _ in range(min(threads, left.qsize()) - 1)]
    try:
        some()
    finally:
        begun = [other for other in others if not other.cancel()]
        errors = [other.exception() for other in begun]  # waits for them
    for error in filter(None, errors):
        raise error


def _next(queue: SimpleQueue[T]) -> tuple[T] | None:
    """What another thread has not taken yet."""
    try:
        return (queue.get_nowait(),)
    except Empty:
        return None


@contextmanager
def products_alone() -> Iterator[None]:
    """Matrix products keep to the thread that calls them, in the whole process, until the last of these ends.

    The threads of NumPy's BLAS wait on the processors for more work, some hundredths of a second after each product.
    """
    with _lock:
        _found.append([library.num_threads for library in _libraries()])
        for library in _libraries():
            library.set_num_threads(1)
    try:
        yield
    finally:
        with _lock:
            before = _found.pop()
            for library, threads in zip(_libraries(), before, strict=True):
                library.set_num_threads(1 if _found else threads)


_lock = Lock()
_found: list[list[int]] = []
"""What each of those who count on products to be alone found, the first one first: it is left to the last."""


@lru_cache(maxsize=1)
def _libraries() -> list[Any]:
    return list(threadpoolctl.ThreadpoolController().select(user_api="blas").lib_controllers)


@lru_cache(maxsize=1)
def _pool(threads: int) -> ThreadPoolExecutor:
    """Threads that stay, and with them the memory in which they compute."""
    return ThreadPoolExecutor(threads, thread_name_prefix="kernels")


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_pool.cache_clear)  # a copy of this process has no threads
