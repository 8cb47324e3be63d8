"""How two configs differ: shown when a run is resumed with a changed one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from dlrun.config.problems import path_text
from dlrun.config.resolve import flow, plain_value
from dlrun.config.run_config import RunConfig
from dlrun.errors import Path
from dlrun.registry import Component, Spec


class Absent:
    """Stands for a value on the side of a difference that has none."""

    def __repr__(self) -> str:
        return "(absent)"


ABSENT = Absent()


@dataclass(frozen=True)
class Change:
    """A value that differs: a field's, an item's, or a component as a whole if its type differs."""

    path: Path
    old: Any
    new: Any

    def __str__(self) -> str:
        return f"{path_text(self.path)}: {_text(self.old)} → {_text(self.new)}"


def config_diff(old: RunConfig, new: RunConfig) -> list[Change]:
    """Return the differences in the order of the config's fields."""
    return list(_changes(old, new, ()))


def diff_text(changes: Sequence[Change]) -> str:
    """Return one line for each change: optimizer.learning_rate: 0.001 → 0.0003."""
    return "\n".join(str(change) for change in changes)


def _changes(old: Any, new: Any, path: Path) -> Iterator[Change]:
    if isinstance(old, Spec) and type(old) is type(new):
        for name in type(old).model_fields:
            yield from _changes(getattr(old, name), getattr(new, name), (*path, name))
    elif isinstance(old, dict) and isinstance(new, dict):
        for name in dict.fromkeys([*old, *new]):
            yield from _changes(old.get(name, ABSENT), new.get(name, ABSENT), (*path, name))
    elif _holds_components(old) and _holds_components(new):
        for index in range(max(len(old), len(new))):
            yield from _changes(_item(old, index), _item(new, index), (*path, index))
    elif old != new and not (old != old and new != new):
        yield Change(path, old, new)


def _holds_components(value: Any) -> bool:
    return isinstance(value, tuple) and all(isinstance(item, Component) for item in value)


def _item(items: tuple[Any, ...], index: int) -> Any:
    return items[index] if index < len(items) else ABSENT


def _text(value: Any) -> str:
    return repr(value) if value is ABSENT else flow(plain_value(value))
