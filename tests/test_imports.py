"""Packages import what stands to their left in the pipeline, never to their right; and the core loads quickly."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent / "dlrun"

LEVELS = (
    ("errors", "registry", "plan", "costs", "kernels"),
    (
        "initializers", "regularizers", "activations", "layers", "losses", "optimizers", "metrics", "schedules", "data",
    ),
    ("config",),
    ("compiler",),
    ("executor",),
    ("training",),
    ("cli",),
)  # fmt: skip
"""From left to right; those of a level may import each other."""

EVERYWHERE = {"runs": {"errors", "runs"}}
"""Packages beside the pipeline, and what they may import; they are imported by training and cli."""


def level_of(package):
    return next(number for number, packages in enumerate(LEVELS) if package in packages)


def modules():
    return sorted(
        path for path in ROOT.rglob("*.py") if path.parent != ROOT or path.stem in ("errors", "registry", "plan", "costs")
    )


def package_of(path):
    return path.relative_to(ROOT).parts[0].removesuffix(".py")


def imports_of(path):
    """The packages of dlrun that a module imports, anywhere in it, but for annotations alone."""
    for node in runtime_nodes(ast.parse(path.read_text())):
        names = []
        if isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            names = [f"{node.module}.{alias.name}" if node.module == "dlrun" else node.module for alias in node.names]
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        for name in names:
            parts = name.split(".")
            if parts[0] == "dlrun" and len(parts) > 1 and not parts[1].startswith("__"):
                yield parts[1], node.lineno


def runtime_nodes(node):
    """Every node that is reached when the program runs: what stands under `if TYPE_CHECKING` is left out."""
    if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
        return
    yield node
    for child in ast.iter_child_nodes(node):
        yield from runtime_nodes(child)


@pytest.mark.parametrize("path", modules(), ids=lambda path: path.relative_to(ROOT).as_posix())
def test_imports_go_to_the_left(path):
    package = package_of(path)
    for imported, line in imports_of(path):
        place = f"{path.relative_to(ROOT.parent)}:{line} imports {imported}"
        if package in EVERYWHERE:
            assert imported in EVERYWHERE[package], place
        elif imported in EVERYWHERE:
            assert package in ("training", "cli"), place
        else:
            assert level_of(imported) <= level_of(package), place


def test_every_package_has_its_place():
    known = {package for level in LEVELS for package in level} | set(EVERYWHERE)
    assert {package_of(path) for path in modules()} == known
