"""The registry of figures: what has none is said, and so is a file that cannot hold one."""

import pytest

from ntksym.errors import NtksymError
from ntksym.reporting.figures import figure, image_format


def test_a_record_without_a_figure_is_refused() -> None:
    with pytest.raises(NtksymError, match="there is no figure of a int; figures exist of"):
        figure(3)


@pytest.mark.parametrize(
    ("path", "form"), [("a.png", "png"), ("b/c.SVG", "svg"), ("d.e.pdf", "pdf"), ("f.html", "html")]
)
def test_the_name_of_the_file_says_the_form(path: str, form: str) -> None:
    assert image_format(path) == form


@pytest.mark.parametrize("path", ["a", "a.gif", "png", ".png"])
def test_other_endings_are_refused(path: str) -> None:
    with pytest.raises(NtksymError, match=r"does not end in \.png, \.svg, \.pdf, \.html"):
        image_format(path)
