"""Budgets and widths as they are typed."""

import pytest

from ntksym.cli.budget import DEFAULT_MEMORY, DEFAULT_SEED, Budget, budget_of, widths_of
from ntksym.errors import NtksymError


def test_nothing_given_is_the_default() -> None:
    assert budget_of(None, None, DEFAULT_SEED, DEFAULT_MEMORY) == Budget()


@pytest.mark.parametrize(
    ("memory", "size"),
    [("64", 64), ("2 kb", 2000), ("512MB", 512 * 10**6), ("1.5GiB", 3 * 2**29), ("256MiB", 2**28), ("7B", 7)],
)
def test_amounts_of_memory(memory: str, size: int) -> None:
    assert budget_of("300", None, "7", memory) == Budget(300, None, 7, size)


def test_seconds() -> None:
    assert budget_of(None, "2.5", "0", "1GB").seconds == 2.5


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("9", "1", "0", "1GB"), "--samples and --seconds do not go together; leave one out"),
        (("1", None, "0", "1GB"), "--samples '1' is not a whole number of networks, 2 or more"),
        (("-3", None, "0", "1GB"), "--samples '-3' is not"),
        (("many", None, "0", "1GB"), "--samples 'many' is not"),
        ((None, "0", "0", "1GB"), "--seconds '0' is not a positive time"),
        ((None, "nan", "0", "1GB"), "--seconds 'nan' is not"),
        ((None, "inf", "0", "1GB"), "--seconds 'inf' is not"),
        ((None, None, "-1", "1GB"), "--seed '-1' is not a whole number"),
        ((None, None, "4294967296", "1GB"), "--seed '4294967296' is not"),
        ((None, None, "0", "lots"), "--memory 'lots' is not an amount such as 512MB or 2GiB"),
        ((None, None, "0", "0MB"), "--memory '0MB' is not"),
        ((None, None, "0", "-1MB"), "--memory '-1MB' is not"),
    ],
)
def test_a_bad_budget_is_one_line(options: tuple[str | None, str | None, str, str], message: str) -> None:
    with pytest.raises(NtksymError, match=r"^--") as caught:
        budget_of(*options)
    assert str(caught.value).startswith(message)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "widths"),
    [("64,128", (64, 128)), ("3, 5,9", (3, 5, 9)), ("16..256", (16, 32, 64, 128, 256)), ("3..20", (3, 6, 12))],
)
def test_widths(text: str, widths: tuple[int, ...]) -> None:
    assert widths_of(text) == widths


@pytest.mark.parametrize(
    "text", ["", "64", "64,64", "128,64", "0,1", "a,b", "1.5,2", "8..9", "0..8", "9..4", "1,,2", "-1,2"]
)
def test_bad_widths_are_one_line(text: str) -> None:
    with pytest.raises(NtksymError, match=r"is not a growing list such as 64,128,256 or 64\.\.256"):
        widths_of(text)
