"""How much each class counts."""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from dlrun.data.signature import Feature
from dlrun.errors import ShapeError

Weight = Annotated[float, Field(ge=0, allow_inf_nan=False)]


def _with_names(value: Any) -> Any:
    """Return a mapping with its keys as text: the class 3 is written 3."""
    return {str(key): weight for key, weight in value.items()} if isinstance(value, Mapping) else value


ClassWeights = Annotated[Literal["balanced"] | tuple[Weight, ...] | dict[str, Weight], BeforeValidator(_with_names)]
"""By class name (those left out count 1), as a list in the order of the classes, or "balanced"."""


def resolve(weights: ClassWeights | None, classes: int, target: Feature) -> tuple[float, ...]:
    """Return a weight for each class; ones where none are given.

    "balanced" gives each class the same total: rows / (classes * rows of the class), of the training rows.
    Raises ShapeError for weights that don't fit the target's classes.
    """
    if weights is None:
        return (1.0,) * classes
    if weights == "balanced":
        return _balanced(classes, target)
    if isinstance(weights, Mapping):
        names = target.classes or target.columns or tuple(map(str, range(classes)))
        check_names("class_weights", "class", weights, names)
        return tuple(float(weights.get(name, 1.0)) for name in names)
    if len(weights) != classes:
        raise ShapeError(f"class_weights has {len(weights)} entries, the target has {classes} classes", "class_weights")
    return tuple(float(weight) for weight in weights if not isinstance(weight, str))


def _balanced(classes: int, target: Feature) -> tuple[float, ...]:
    counts = target.class_counts
    if counts is None:
        raise ShapeError(
            f"class_weights: balanced needs a target of classes, {target.name!r} holds {target.kind}", "class_weights",
            "give the weights as a list, one for each class",
        )  # fmt: skip
    return tuple(sum(counts) / (classes * max(count, 1)) for count in counts)


def check_names(field: str, what: str, weights: Mapping[str, float], names: tuple[str, ...]) -> None:
    """Raise ShapeError for a weight of a class, or label, that the target has not."""
    for name in weights:
        if name not in names:
            near = get_close_matches(name, names, 1)
            known = f"one of: {', '.join(names[:20])}{', ...' if len(names) > 20 else ''}"
            help = f"did you mean {near[0]!r}? {known}" if near else known
            raise ShapeError(f"{field}: the target has no {what} {name!r}", field, help)
