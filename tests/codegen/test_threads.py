"""Work shared by threads."""

import threading
import time

import numpy as np
import pytest

from ntksym.codegen.threads import _libraries, for_each, processors, products_alone


@pytest.mark.parametrize("threads", [1, 2, 5])
def test_everything_is_done_once(threads: int) -> None:
    done: list[int] = []
    for_each(done.append, range(100), threads)
    assert sorted(done) == list(range(100))


def test_nothing_to_do() -> None:
    for_each(lambda x: 1 / 0, [], 3)


def test_several_threads_work_at_the_same_time() -> None:
    together = threading.Barrier(2, timeout=60)  # each work waits for another one
    for_each(lambda _: together.wait(), range(2), 2)


@pytest.mark.parametrize("threads", [1, 2])
def test_an_error_ends_the_work(threads: int) -> None:
    begun: list[int] = []

    def work(k: int) -> None:
        begun.append(k)
        if k == 1:
            raise ValueError("one")
        time.sleep(0.001)

    with pytest.raises(ValueError, match="one"):
        for_each(work, range(1000), threads)
    assert len(begun) < 1000


def test_an_error_of_another_thread_is_raised_here() -> None:
    here, waiting = threading.get_ident(), threading.Event()

    def work(_: int) -> None:
        if threading.get_ident() == here:
            waiting.wait(60)  # the other thread takes the other item
            return
        waiting.set()
        raise KeyError("there")

    with pytest.raises(KeyError, match="there"):
        for_each(work, range(2), 2)


def test_products_are_alone_until_the_last_user_ends() -> None:
    """Also where a call is inside of another one, and where one ends with an error."""
    assert np.eye(2) @ np.eye(2) @ np.ones(2) @ np.ones(2) == 2  # the library is there
    libraries = _libraries()
    assert libraries
    for library in libraries:
        library.set_num_threads(2)
    try:
        with products_alone():
            with pytest.raises(ValueError, match="inside"), products_alone():
                raise ValueError("inside")
            assert [library.num_threads for library in libraries] == [1] * len(libraries)
        assert [library.num_threads for library in libraries] == [2] * len(libraries)
    finally:
        for library in libraries:
            library.set_num_threads(processors())
