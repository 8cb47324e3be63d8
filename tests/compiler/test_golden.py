"""The compiled plan of a small network, as text. A change of it is to be looked at, and then kept:

GOLDEN=write pytest tests/compiler/test_golden.py
"""

import os
from pathlib import Path

import pytest

from dlrun.compiler.printer import plan_text, summary_text
from tests.compiler.networks import NETWORKS, compiled, model

GOLDEN = Path(__file__).parent / "golden"


@pytest.mark.parametrize("name", NETWORKS)
def test_plan(name):
    network = model(name)
    plan = compiled(network)
    text = summary_text(network.graph(), plan) + "\n" + plan_text(plan)
    path = GOLDEN / f"{name}.txt"
    if os.environ.get("GOLDEN") == "write":
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    assert text.splitlines() == path.read_text().splitlines()
