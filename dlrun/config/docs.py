"""What the docstrings of Specs and their fields say, in the sizes that messages and tables need."""

from __future__ import annotations

import inspect

from dlrun.errors import Path
from dlrun.registry import Spec


def summary(spec: type[Spec]) -> str:
    """Return the first sentence of a Spec's docstring, in one line."""
    return first_sentence(inspect.getdoc(spec) or "")


def field_text(spec: type[Spec], name: str) -> str:
    """Return what a field's docstring says, in one line."""
    field = spec.model_fields.get(name)
    return " ".join((field.description or "").split()) if field else ""


def first_sentence(text: str) -> str:
    """Return the first sentence of the first paragraph, without its full stop."""
    paragraph = " ".join(text.split("\n\n")[0].split())
    sentence, _, _ = paragraph.partition(". ")
    return sentence.rstrip(".")


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
