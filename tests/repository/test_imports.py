"""Data moves one way through the packages, so imports go the other way only (types aside)."""

import ast

from tests.repository.documents import ROOT

ORDER = (
    {"errors", "registry", "__init__"},
    {"kernels", "plan", "costs"},
    {
        "activations",
        "data",
        "initializers",
        "layers",
        "losses",
        "metrics",
        "optimizers",
        "regularizers",
        "schedules",
        "tracking",
    },
    {"config"},
    {"compiler"},
    {"executor"},
    {"runs"},
    {"training"},
    {"sweep"},
    {"report", "starter"},
    {"board"},
    {"cli", "__main__"},
)
"""From left to right: a package imports what stands to its left or beside it."""
LEFT_TO_RIGHT = {name: position for position, names in enumerate(ORDER) for name in names}


def imported(tree):
    """Yield the modules of dlrun that a file imports, those for type checkers left out."""
    pending = [tree]
    while pending:
        node = pending.pop()
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            continue
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("dlrun."):
            yield node.module
        elif isinstance(node, ast.Import):
            yield from (name.name for name in node.names if name.name.startswith("dlrun."))
        pending.extend(ast.iter_child_nodes(node))


def test_packages_import_what_stands_to_their_left():
    wrong = []
    for path in sorted((ROOT / "dlrun").rglob("*.py")):
        package = path.relative_to(ROOT / "dlrun").parts[0].removesuffix(".py")
        for module in imported(ast.parse(path.read_text(encoding="utf-8"))):
            other = module.split(".")[1]
            if LEFT_TO_RIGHT[other] > LEFT_TO_RIGHT[package]:
                wrong.append(f"{path.relative_to(ROOT)} imports {module}")
    assert wrong == []


def test_the_order_names_every_package():
    found = {
        path.stem for path in (ROOT / "dlrun").iterdir() if path.suffix == ".py" or (path / "__init__.py").exists()
    }
    assert found == set(LEFT_TO_RIGHT)
