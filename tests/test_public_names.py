"""The names of ``ntksym``: each leads to something, and none hides another."""

from importlib import import_module
from pathlib import Path

import ntksym
from ntksym.language.activations import registry

ROOMS = {path.parent.name for path in Path(ntksym.__file__).parent.glob("*/__init__.py")} - {"zoo"}


def test_no_public_name_is_that_of_another_thing() -> None:
    later = set(ntksym._LATER)
    assert {"language", "sampling", "scaling"} <= ROOMS
    for others in (set(ntksym._HERE), set(registry), ROOMS):
        assert not later & others


def test_only_public_names_are_listed() -> None:
    assert not {"Any", "import_module", "registry"} & set(dir(ntksym))


def test_every_public_name_leads_to_something() -> None:
    for name, home in ntksym._LATER.items():
        found = getattr(ntksym, name)
        assert found is (import_module(home) if name == "zoo" else getattr(import_module(home), name))
