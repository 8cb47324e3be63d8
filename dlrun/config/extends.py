"""`extends: base.yaml`: one config written as a difference to another.

The base's path is relative to the file that names it; a base may extend another. Mappings merge, everything else
replaces, and every value keeps its place in the file that it comes from. A component (a mapping with a `type`, or a
bare name, which is the same as `{type: name}`) merges with a component of the same type, as it is written, or with
a mapping that leaves the type out; with another type it replaces the base's component whole, because the fields of
one type mean nothing to another.
"""

from __future__ import annotations

import os
from dataclasses import replace

from dlrun.config.document import parse_file, read_source
from dlrun.config.node import Entry, Node, describe, named
from dlrun.config.problems import Located, failure
from dlrun.config.source import Source

KEY = "extends"
LONGEST_CHAIN = 20


def inherit(source: Source, root: Node, problems: list[Located]) -> Node:
    """Return `root` merged over the file that it extends; the bases' own problems are added to `problems`."""
    return _inherit(root, [os.path.realpath(source.name)], problems)


def _inherit(root: Node, files: list[str], problems: list[Located]) -> Node:
    entry = root.entries.get(KEY)
    if entry is None:
        return root
    own = replace(root, value={name: entry for name, entry in root.entries.items() if name != KEY})
    span = entry.node.span
    name = _base_name(entry.node)
    real = os.path.realpath(name)
    if len(files) > LONGEST_CHAIN:
        raise failure(span, f"more than {LONGEST_CHAIN} configs extend one another")
    if real in files:
        raise failure(span, f"'{name}' extends itself", "a chain of 'extends' must end in a file that extends nothing")
    source, _ = read_source(name, span.source.rank - 1, blame=span)
    parsed = parse_file(source)
    problems += parsed.problems
    return merge(_inherit(parsed.root, [*files, real], problems), own)


def _base_name(node: Node) -> str:
    if not isinstance(node.value, str) or not node.value:
        raise failure(node.span, f"extends: expected the path of a config, got {describe(node)}", path=(KEY,))
    return os.path.normpath(os.path.join(os.path.dirname(node.span.source.name), node.value))


def merge(base: Node, own: Node) -> Node:
    """Return `own` merged over `base`."""
    if isinstance(base.value, str) and own.is_mapping:
        base = named(base)
    if isinstance(own.value, str) and base.is_mapping and _type(base) == own.value:
        own = named(own)
    if not (base.is_mapping and own.is_mapping) or _type(own) not in (None, _type(base)):
        return own
    entries = dict(base.entries)
    for name, entry in own.entries.items():
        inherited = entries.get(name)
        entries[name] = Entry(entry.key, merge(inherited.node, entry.node)) if inherited else entry
    return replace(own, value=entries)


def _type(node: Node) -> object:
    found = node.get("type")
    return None if found is None else found.value
