"""Every record as JSON, against its schema."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from jsonschema import validate

import ntksym as ns

SCHEMAS = Path(__file__).parents[1] / "schemas"
RECORDS = {
    "phase_report": [lambda: ns.phase_report("relu", sigma_w="sqrt(2)"), lambda: ns.phase_report("tanh", sigma_w=2)],
    "edge_of_chaos": [
        lambda: ns.edge_of_chaos("relu"),
        lambda: ns.edge_of_chaos("softplus"),
        lambda: ns.edge_of_chaos("tanh", sigma_b=0.3, digits=20),
    ],
    "edge_curve": [lambda: ns.edge_curve("gelu"), lambda: ns.edge_curve("tanh")],
    "phase_diagram": [lambda: ns.phase_diagram("relu", sigma_w=[1, 2], sigma_b=[0, 0.5])],
    "universality_class": [lambda: ns.universality_class("tanh"), lambda: ns.universality_class("softplus")],
    "depth_law": [lambda: ns.depth_law("relu", sigma_w=2), lambda: ns.depth_law("erf", sigma_w=1, sigma_b=1)],
}


@pytest.mark.parametrize("name", RECORDS)
def test_records_follow_their_schemas(name: str) -> None:
    schema = json.loads((SCHEMAS / f"{name}.schema.json").read_text(encoding="utf-8"))
    for made in RECORDS[name]:
        record = made()
        found = json.loads(json.dumps(record.to_json(), allow_nan=False))
        assert found["schema"] == f"ntksym.{name}/1"
        validate(found, schema)
