"""The `sweep` section of a config: the same parameters as the command line's, with conditions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from dlrun.config.build import FAILED, Builder
from dlrun.config.grammar import Record
from dlrun.config.node import Entry, Node, describe
from dlrun.config.normalise import Normaliser
from dlrun.config.overrides import Step, parse_path
from dlrun.config.problems import Located, LocatedConfigError, failure, suggestion
from dlrun.config.source import Source, Span
from dlrun.config.sweep_config import PARAMETERS, Choice, Int, SweepConfig, Uniform
from dlrun.errors import Path
from dlrun.registry import Spec
from dlrun.sweep.arguments import CALL, FORMS, range_of, read_values, values_of
from dlrun.sweep.space import Condition, Parameter, Range, Values, text_of

KEY = "sweep"


@dataclass(frozen=True)
class Section:
    """A `sweep` section, understood: its parameters, and its other fields."""

    parameters: tuple[Parameter, ...]
    config: SweepConfig


def without_section(root: Node) -> Node:
    """Return a config's tree without its `sweep` section: what trials are made of."""
    return replace(root, value={name: entry for name, entry in root.entries.items() if name != KEY})


def read_section(root: Node, name: str) -> Section:
    """Read a config's `sweep` section, if it has one. Raises LocatedConfigError with every problem found."""
    entry = root.entries.get(KEY)
    if entry is None or entry.node.value is None:
        return Section((), SweepConfig())
    normaliser, builder = Normaliser(), Builder()
    node = normaliser.normalise(entry.node, Record(SweepConfig), (KEY,))
    config = builder.record(node, SweepConfig)
    written = node.get("parameters")
    others = [each for each in builder.problems if not _is_told_below(written, each.path)]
    located = [*normaliser.problems, *(Located(each, _span(node, each.path)) for each in others)]
    parameters: list[Parameter] = []
    for rank, (path, each) in enumerate(written.entries.items() if written else (), start=501):
        try:
            parameters.append(_parameter(path, each, rank, builder.built, parameters))
        except LocatedConfigError as error:
            located += error.located
    if located or config is FAILED:
        raise LocatedConfigError(located, name)
    return Section(tuple(parameters), config)


def _is_told_below(written: Node | None, path: Path) -> bool:
    """Whether a problem is that of a parameter which is neither a list, nor a text, nor a mapping."""
    found = None if written is None else written.get(*path[2:])
    scalar = found is not None and not (found.is_mapping or found.is_list)
    return path[:2] == (KEY, "parameters") and len(path) == 3 and scalar


def _span(section: Node, path: Path) -> Span:
    """Return the place of a problem's path, or of what is nearest above it."""
    node = section
    for part in path[1:]:
        child = node.get(part)
        if child is None:
            break
        node = child
    return node.span


def _parameter(
    path: str, entry: Entry, rank: int, built: Mapping[Path, Spec], earlier: Sequence[Parameter]
) -> Parameter:
    place = entry.key.source
    source = Source(place.name, place.text, rank)
    key = replace(entry.key, source=source)
    try:
        steps = tuple(Step(step.key, key) for step in parse_path(Source(place.name, path), path))
    except LocatedConfigError as error:
        raise LocatedConfigError([replace(each, span=key) for each in error.located], place.name) from None
    if steps[0].key in ("extends", KEY):
        raise failure(key, f"'{steps[0].key}' can't be varied", "vary fields of the config")
    node = _ranked(entry.node, source)
    when = tuple(_condition(name, each, earlier) for name, each in _conditions(node).items())
    return Parameter(path, steps, _domain(path, node, built), node.span, when)


def _conditions(node: Node) -> Mapping[str, Entry]:
    when = node.get("when")
    return when.entries if when else {}


def _domain(path: str, node: Node, built: Mapping[Path, Spec]) -> Values | Range:
    if node.is_list:
        if not node.items:
            raise failure(node.span, f"{path} has no values", "list one or more: [1, 2, 3]")
        return values_of(node.items)
    if isinstance(node.value, str):
        return _written_range(path, node)
    spec = built.get(node.path)
    if isinstance(spec, Choice):
        values = node.get("values")
        return values_of(values.items if values else ())
    if isinstance(spec, Uniform | Int):
        return range_of(spec)
    if node.is_mapping:  # its problem was told by the builder
        raise LocatedConfigError([], "")
    way_out = f"{FORMS}, a list of values, or {{type: ..., when: ...}}; types: {', '.join(PARAMETERS.names)}"
    raise failure(node.span, f"{path}: expected values or a range, got {describe(node)}", way_out)


def _written_range(path: str, node: Node) -> Values | Range:
    """Return the range that a text such as log(1e-4, 1e-1) describes, with places within the text."""
    span, text = node.span, str(node.value)
    if CALL.fullmatch(text) is None:
        raise failure(
            span, f"{path}: expected values or a range, got {describe(node)}", f"{FORMS}, or a list: [{text}]"
        )
    line = span.source.lines[span.line - 1]
    quoted = line[span.column - 1 : span.column] in ("'", '"')
    return read_values(span.source, text, span.column + quoted, span.line)


def _condition(name: str, entry: Entry, earlier: Sequence[Parameter]) -> Condition:
    names = [parameter.name for parameter in earlier]
    if name not in names:
        help = suggestion(name, names) or "conditions name parameters that stand before this one"
        raise failure(entry.key, f"no parameter before this one is '{name}'", help)
    domain = earlier[names.index(name)].domain
    if isinstance(domain, Range):
        raise failure(entry.key, f"'{name}' is a range, which no condition can name values of", "list its values")
    nodes = entry.node.items if entry.node.is_list else (entry.node,)
    for node in nodes:
        if text_of(node) not in domain.options:
            message = f"'{name}' never is {text_of(node)}"
            raise failure(node.span, message, suggestion(text_of(node), domain.options))
    return Condition(name, tuple(map(text_of, nodes)))


def _ranked(node: Node, source: Source) -> Node:
    """Return a tree whose places are in a source of another rank."""
    span = replace(node.span, source=source)
    if node.is_list:
        return replace(node, span=span, value=tuple(_ranked(item, source) for item in node.items))
    if node.is_mapping:
        entries = {
            name: Entry(replace(each.key, source=source), _ranked(each.node, source))
            for name, each in node.entries.items()
        }
        return replace(node, span=span, value=entries)
    return replace(node, span=span)
