"""Components and the registries that list them.

A component is what a config writes as `{type: name, ...}`: a layer, loss, optimizer, source and so on. Its Pydantic
fields are at once its entry in the config language, its validation and its documentation. The YAML union, the JSON
Schema, `dlrun layers` and the tests over all components are derived from the registries.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, ClassVar, Generic, TypeVar

from pydantic import BaseModel, ConfigDict


class Spec(BaseModel):
    """A frozen part of a config: unknown keys are errors, and its docstring is its documentation."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    aliases: ClassVar[Mapping[str, str | tuple[str, ...]]] = {}
    """Other spellings of fields, normalised before validation: {"lr": "learning_rate", "betas": ("beta_1", "beta_2")}."""


class Component(Spec):
    """A part of a config that is chosen by its `type`: every subclass narrows `type` to its own name."""

    type: str

    @classmethod
    def type_name(cls) -> str:
        """The name that a config writes for this component."""
        name: Any = cls.model_fields["type"].default
        return str(name)


C = TypeVar("C", bound=Component)


class Registry(Generic[C]):
    """The components of one kind, by name.

    `synonyms` are other type names that a config may write: {"categorical_crossentropy": "cross_entropy"}.
    """

    def __init__(self, kind: str, components: tuple[type[C], ...], synonyms: Mapping[str, str] | None = None) -> None:
        self.kind = kind
        self.components = components
        self.by_name = {component.type_name(): component for component in components}
        self.synonyms = dict(synonyms or {})
        if len(self.by_name) != len(components):
            raise ValueError(f"two components of kind {kind!r} share a name")

    def __iter__(self) -> Iterator[type[C]]:
        return iter(self.components)

    def __getitem__(self, name: str) -> type[C]:
        return self.by_name[self.synonyms.get(name, name)]

    def __contains__(self, name: object) -> bool:
        return name in self.by_name or name in self.synonyms

    @property
    def names(self) -> list[str]:
        """Every name, sorted, synonyms left out."""
        return sorted(self.by_name)
