"""Many calls of one function: the same results in the same order, wherever they run."""

from concurrent.futures import ThreadPoolExecutor
from threading import get_ident

import pytest

from ntksym._chunks import map_chunks, with_bar, workers
from ntksym.errors import NtksymError

CALLS = [(2, i) for i in range(20)]
RESULTS = [2**i for i in range(20)]


def test_calls_come_back_in_order() -> None:
    assert list(map_chunks(pow, CALLS)) == RESULTS
    with ThreadPoolExecutor(3) as pool:
        assert list(map_chunks(pow, CALLS, pool, ahead=4)) == RESULTS


def test_no_more_calls_are_under_way_than_allowed() -> None:
    with ThreadPoolExecutor(2) as pool:
        given: list[int] = []
        arguments = ((2, i) for i in range(20) if given.append(i) is None)
        assert next(map_chunks(pow, arguments, pool, ahead=4)) == 1
        assert given == [0, 1, 2, 3]


def test_a_dask_cluster_of_this_process_comes_and_goes() -> None:
    distributed = pytest.importorskip("distributed", reason='needs the extra "dask"')
    assert list(map_chunks(pow, CALLS, "dask")) == RESULTS
    with workers("dask") as client:
        assert client.submit(get_ident).result() != get_ident()
        assert list(map_chunks(pow, CALLS, client.scheduler.address)) == RESULTS
    with pytest.raises(ValueError, match="No global client"):
        distributed.get_client()


@pytest.mark.parametrize("address", ["nonsense", "tcp://127.0.0.1:9"])
def test_an_address_where_nobody_answers_is_named(address: str) -> None:
    dask = pytest.importorskip("dask", reason='needs the extra "dask"')
    pytest.importorskip("distributed", reason='needs the extra "dask"')
    with (
        dask.config.set({"distributed.comm.timeouts.connect": "0.2s"}),
        pytest.raises(NtksymError, match=f"no Dask scheduler answers at {address} "),
    ):
        list(map_chunks(pow, CALLS, address))


def test_a_bar_passes_results_on() -> None:
    assert list(with_bar(iter(RESULTS), 20, True, "tiles")) == RESULTS
