"""A registry imports a component's module when it is asked for the component, and each is where it says."""

import subprocess
import sys
from importlib import import_module
from typing import Literal

import pytest

from dlrun.cli.catalog import KINDS
from dlrun.registry import Component, Registry


class Drum(Component):
    """Makes noise."""

    type: Literal["drum"] = "drum"


class Snare(Drum):
    """Makes the same noise."""


@pytest.mark.parametrize("kind", KINDS)
def test_every_component_is_where_its_registry_says(kind):
    module, constant = KINDS[kind]
    registry = getattr(import_module(module), constant)
    assert [component.type_name() for component in registry] == registry.names
    assert all(registry[synonym] is registry[name] for synonym, name in registry.synonyms.items())


def test_a_component_with_another_name_is_refused():
    with pytest.raises(ValueError, match="the thing 'bell' calls itself 'drum'"):
        Registry("thing", {"bell": lambda: Drum})["bell"]
    with pytest.raises(ValueError, match="share a name"):
        Registry.of("thing", (Drum, Snare))


def test_classes_are_found_in_their_package():
    registry = Registry("layer", {"dense": "dense:Dense"}, package="dlrun.layers")
    assert registry.attribute("Dense") is registry["dense"]
    with pytest.raises(AttributeError, match=r"module 'dlrun\.layers' has no attribute 'Conv2D'"):
        registry.attribute("Conv2D")


def test_a_config_imports_what_it_uses():
    code = """
import sys
from pathlib import Path
from dlrun.config.load import load_config
load_config(Path("configs/iris.yaml"))
print(*(name for name in sys.modules if name.startswith("dlrun.")))
"""
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert "dlrun.losses.cross_entropy" in found
    assert not {"dlrun.losses.huber", "dlrun.metrics.auc", "dlrun.optimizers.lion"} & set(found)
