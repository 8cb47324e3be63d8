"""Files and overrides to a validated RunConfig: every problem in one pass."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import PurePath

from dlrun.config.build import FAILED, Builder
from dlrun.config.checks import Parts, monitor_problems
from dlrun.config.document import Document, parse_file, read_source
from dlrun.config.extends import inherit
from dlrun.config.grammar import Choice, Record
from dlrun.config.node import Entry, Node
from dlrun.config.normalise import Normaliser
from dlrun.config.overrides import apply_overrides
from dlrun.config.problems import Located, LocatedConfigError
from dlrun.config.references import frozen_problems, reference_problems
from dlrun.config.repeat import LAYER_CHOICES, Repeat, expand
from dlrun.config.run_config import RunConfig
from dlrun.config.source import Source, Span
from dlrun.errors import Path, Problem

LAYERS_PATH = ("model", "layers")


@dataclass(frozen=True)
class LoadedConfig:
    """A config, and what is needed to point at places in it.

    `text` is the file as it is, byte for byte. `layer_paths` gives the place of each of `config.model.layers` in the
    file, where the copies that a `repeat` makes share a place.
    """

    config: RunConfig
    document: Document
    text: bytes
    layer_paths: tuple[Path, ...]

    def error(self, problems: Sequence[Problem]) -> LocatedConfigError:
        """Return an error with the problems' places: for those that show only later, such as shapes that don't fit."""
        return self.document.locate(problems)


def load_config(path: str | os.PathLike[str], overrides: Sequence[str] = ()) -> LoadedConfig:
    """Read a config file, apply the overrides, and validate. Raises LocatedConfigError with every problem found."""
    source, text = read_source(os.fspath(path))
    return _load(source, text, overrides)


def load_text(text: str, name: str = "config.yaml", overrides: Sequence[str] = ()) -> LoadedConfig:
    """Do what `load_config` does for a text; `name` stands for the file, to which `extends` is relative."""
    return _load(Source(name, text), text.encode(), overrides)


def _load(source: Source, text: bytes, overrides: Sequence[str]) -> LoadedConfig:
    return load_tree(_read(source, text, overrides))


@dataclass(frozen=True)
class Tree:
    """A config as it is written: inheritance and overrides worked in, nothing else; and the problems so far."""

    source: Source
    text: bytes
    root: Node
    problems: tuple[Located, ...] = ()


def read_tree(path: str | os.PathLike[str], overrides: Sequence[str] = ()) -> Tree:
    """Read a config file and apply the overrides; nothing is validated. Raises LocatedConfigError."""
    return _read(*read_source(os.fspath(path)), overrides)


def _read(source: Source, text: bytes, overrides: Sequence[str]) -> Tree:
    parsed = parse_file(source)
    located = parsed.problems
    try:
        root = inherit(source, parsed.root, located)
        root, found = apply_overrides(root, overrides)
    except LocatedConfigError as error:
        raise LocatedConfigError([*located, *error.located], source.name) from None
    return Tree(source, text, root, (*located, *found))


def load_tree(tree: Tree) -> LoadedConfig:
    """Validate a tree. Raises LocatedConfigError with every problem found."""
    normaliser = Normaliser()
    source = tree.source
    root = _with_name(normaliser.normalise(tree.root, Record(RunConfig)), source)
    located = [*tree.problems, *normaliser.problems]
    document = Document(root, source.name)
    config, layers, problems = validate(root)
    located += document.locate(problems).located
    if located or config is None:
        raise LocatedConfigError(located, source.name)
    return LoadedConfig(config, document, tree.text, tuple(layer.path for layer in layers))


def validate(root: Node) -> tuple[RunConfig | None, list[Node], list[Problem]]:
    """Return the config that a normalised tree describes, its layers written out, and the problems."""
    written = root.get(*LAYERS_PATH)
    layers, problems = expand(written.items) if written else ([], [])
    builder = Builder()
    for layer in written.items if written else ():
        if _is_repeat(layer):
            builder.build(layer, Choice(LAYER_CHOICES))
    result = builder.record(_with_layers(root, layers) if layers else root, RunConfig)
    problems += builder.problems
    problems += _one_for_each_place(reference_problems(layers, _data_inputs(root)))
    problems += frozen_problems(root.get("initialize_from", "freeze"), layers)
    problems += frozen_problems(root.get("initialize_from", "layers"), layers)
    problems += monitor_problems(Parts(root, builder.built))
    return (None if result is FAILED else result), layers, problems


def _data_inputs(root: Node) -> set[str] | None:
    """Return the names of the data's inputs; None where the config leaves them to the data."""
    inputs = root.get("data", "inputs")
    return set(inputs.entries) if inputs is not None and inputs.is_mapping else None


def _one_for_each_place(problems: Sequence[Problem]) -> list[Problem]:
    """Return the first problem of each place: the copies that a repeat makes share their places."""
    first: dict[Path, Problem] = {}
    for problem in problems:
        first.setdefault(problem.path, problem)
    return list(first.values())


def _is_repeat(layer: Node) -> bool:
    chosen = layer.get("type")
    return chosen is not None and chosen.value == Repeat.type_name()


def _with_layers(root: Node, layers: Sequence[Node]) -> Node:
    """Return the tree with other layers."""
    model = root.entries["model"]
    entry = model.node.entries["layers"]
    node = model.node.with_entry("layers", entry._replace(node=replace(entry.node, value=tuple(layers))))
    return root.with_entry("model", model._replace(node=node))


def _with_name(root: Node, source: Source) -> Node:
    """Return the tree with the run's name; where it has none, the file's, in characters that a folder may have."""
    if "name" in root.entries:
        return root
    stem = re.sub(r"[^A-Za-z0-9._-]+", "_", PurePath(source.name).stem).lstrip("._-")[:100] or "run"
    return root.with_entry("name", Entry(Span(source, 0, 0), Node(stem, Span(source, 0, 0), ("name",))))
