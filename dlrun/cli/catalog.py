"""dlrun layers [NAME], and the same for losses, optimizers, schedules, transforms, metrics and so on."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable
from dataclasses import asdict
from difflib import get_close_matches
from typing import Annotated, Any

import typer

from dlrun.errors import UsageError

KINDS = {
    "layers": ("dlrun.layers", "LAYERS"),
    "activations": ("dlrun.activations", "ACTIVATIONS"),
    "losses": ("dlrun.losses", "LOSSES"),
    "optimizers": ("dlrun.optimizers", "OPTIMIZERS"),
    "schedules": ("dlrun.schedules", "SCHEDULES"),
    "metrics": ("dlrun.metrics", "METRICS"),
    "sources": ("dlrun.data.sources", "SOURCES"),
    "transforms": ("dlrun.data.transforms", "TRANSFORMS"),
    "augmentations": ("dlrun.data.augment", "AUGMENTATIONS"),
    "initializers": ("dlrun.initializers", "INITIALIZERS"),
    "regularizers": ("dlrun.regularizers", "REGULARIZERS"),
    "constraints": ("dlrun.regularizers", "CONSTRAINTS"),
    "trackers": ("dlrun.tracking", "TRACKERS"),
}


def register(app: typer.Typer) -> None:
    """Add a command for each kind of component."""
    for kind, (module, name) in KINDS.items():
        app.command(kind, help=f"List the {kind}, or the fields of one.")(_command(module, name))


def _command(module: str, registry: str) -> Callable[..., None]:
    def show(
        name: Annotated[str | None, typer.Argument(help="One of them.")] = None,
        json: Annotated[bool, typer.Option("--json", help="Print as JSON.")] = False,
    ) -> None:
        show_catalog(getattr(importlib.import_module(module), registry), name, json)

    return show


def show_catalog(registry: Any, name: str | None, json: bool) -> None:
    """Print a registry's components, or one component's fields."""
    from dlrun.cli.output import print_json, print_table
    from dlrun.config.catalog import catalog, component_entry

    if name is None:
        rows = [asdict(row) for row in catalog(registry)]
        if json:
            print_json(rows)
        else:
            print_table(rows)
        return
    if name not in registry:
        near = get_close_matches(name, registry.names, n=1)
        hint = f"did you mean {near[0]!r}? " if near else ""
        raise UsageError(f"unknown {registry.kind} {name!r}", f"{hint}one of: {', '.join(registry.names)}")
    entry = component_entry(registry, name)
    if json:
        print_json(asdict(entry))
        return
    sys.stdout.write(f"{entry.name}: {entry.description}\n")
    if entry.synonyms:
        sys.stdout.write(f"also written: {', '.join(entry.synonyms)}\n")
    sys.stdout.write("\n")
    print_table([asdict(field) for field in entry.fields])
