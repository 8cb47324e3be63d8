"""What the docstrings of Specs and their fields say, in the sizes that messages and tables need."""

from __future__ import annotations

import ast
import inspect
import re
import textwrap
from collections.abc import Mapping
from functools import cache
from itertools import pairwise

from dlrun.errors import Path
from dlrun.registry import Spec

SENTENCE_END = re.compile(r"(?<=[\w)`'\"][\w)`'\"])\.\s+(?=[A-Z`(])")
"""A full stop before a capital letter, unless it follows an initial."""


def summary(spec: type[Spec]) -> str:
    """Return the first sentence of a Spec's docstring, in one line."""
    return first_sentence(inspect.getdoc(spec) or "")


def field_text(spec: type[Spec], name: str) -> str:
    """Return what a field's docstring says, in one line."""
    field = spec.model_fields.get(name)
    if field is not None and field.description:
        return " ".join(field.description.split())
    for cls in spec.__mro__:
        if name in (docs := field_docstrings(cls)):
            return docs[name]
    return ""


@cache
def field_docstrings(cls: type) -> Mapping[str, str]:
    """Return the strings that follow a class's own fields, each in one line.

    Pydantic can do this when it makes a class (`use_attribute_docstrings`), but reading all sources takes longer than
    everything else that importing the components does; here only those that are asked for are read.
    """
    try:
        tree = ast.parse(textwrap.dedent(inspect.getsource(cls)))
    except (OSError, TypeError, SyntaxError):
        return {}
    body = tree.body[0].body if isinstance(tree.body[0], ast.ClassDef) else []
    return {
        statement.target.id: " ".join(after.value.value.split())
        for statement, after in pairwise(body)
        if isinstance(statement, ast.AnnAssign)
        and isinstance(statement.target, ast.Name)
        and isinstance(after, ast.Expr)
        and isinstance(after.value, ast.Constant)
        and isinstance(after.value.value, str)
    }


def first_sentence(text: str) -> str:
    """Return the first sentence of the first paragraph, without its full stop."""
    paragraph = " ".join(text.split("\n\n")[0].split())
    return SENTENCE_END.split(paragraph, maxsplit=1)[0].rstrip(".")


def field_help(spec: type[Spec], place: Path) -> str | None:
    """Return the help for a problem in a field: 'units' is the number of output features."""
    if not place or not isinstance(place[0], str):
        return None
    text = first_sentence(field_text(spec, place[0]))
    if not text:
        return None
    first, _, rest = text.partition(" ")
    if first in ("The", "A", "An"):
        return f"'{place[0]}' is {first.lower()} {rest}"
    return f"'{place[0]}' says whether {rest}" if first == "Whether" else f"'{place[0]}': {text[:1].lower()}{text[1:]}"
