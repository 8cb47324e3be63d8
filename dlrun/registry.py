"""Components and the registries that list them.

A component is what a config writes as `{type: name, ...}`: a layer, loss, optimizer, source and so on. Its Pydantic
fields are at once its entry in the config language, its validation and its documentation. The YAML union, the JSON
Schema, `dlrun layers` and the tests over all components are derived from the registries.
"""

# No `from __future__ import annotations`: Pydantic would evaluate Spec's annotations' texts anew for each component.

from collections.abc import Callable, Iterator, Mapping
from typing import Any, ClassVar, Generic, TypeVar

from pydantic import BaseModel, ConfigDict, GetCoreSchemaHandler, GetJsonSchemaHandler, ValidationError
from pydantic_core import InitErrorDetails, PydanticCustomError, core_schema


class Spec(BaseModel):
    """A frozen part of a config: unknown keys are errors, its docstring and those of its fields are its documentation.

    Validators are built on first use, and fields' docstrings read when they are asked for (`dlrun.config.docs`): a
    config uses few of the components, and doing both for all of them would take most of the time of a start.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)

    aliases: ClassVar[Mapping[str, str | tuple[str, ...]]] = {}
    """Other spellings of fields, normalised early: {"lr": "learning_rate", "betas": ("beta_1", "beta_2")}."""
    bare_field: ClassVar[str | None] = None
    """The field that a bare string stands for where this mapping is expected."""


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


class ChosenBy:
    """Marks a field whose component is chosen by name: `Annotated[Loss, ChosenBy(LOSSES)]`.

    Takes a component, a mapping `{type: name, ...}` or the bare name, validates it with that component's own model
    and writes it back whole. The errors inside keep the places of the component's own fields; those of the choice
    itself are "unknown_component" with context {kind, name, names} (at the value of `type`, or at the bare name),
    "missing_type" and "component_expected" with {kind, names}. A registry that can't be imported yet, as in a
    component that holds components, is given as a function: `ChosenBy(lambda: LAYERS)`.
    """

    def __init__(self, registry: Registry[Any] | Callable[[], Registry[Any]]) -> None:
        self._registry = registry

    @property
    def registry(self) -> Registry[Any]:
        """The registry that lists the choices."""
        return self._registry if isinstance(self._registry, Registry) else self._registry()

    def validate(self, value: Any) -> Component:
        """The component that `value` describes; raises ValidationError or PydanticCustomError."""
        registry = self.registry
        if isinstance(value, registry.components):
            return value  # type: ignore[no-any-return]
        if isinstance(value, str):
            if value not in registry:
                raise self._unknown(value)
            return self._build(registry[value], {})
        if not isinstance(value, Mapping):
            raise PydanticCustomError(
                "component_expected",
                "a {kind} is a name, or a mapping with a 'type'",
                {"kind": registry.kind, "names": registry.names},
            )
        if "type" not in value:
            context = {"kind": registry.kind, "names": registry.names}
            raise PydanticCustomError("missing_type", "this {kind} has no 'type'", context)
        name = value["type"]
        if not isinstance(name, str) or name not in registry:
            detail = InitErrorDetails(type=self._unknown(name), loc=("type",), input=name)
            raise ValidationError.from_exception_data(registry.kind, [detail])
        return self._build(registry[name], value)

    def _build(self, component: type[Component], value: Mapping[str, Any]) -> Component:
        return component.model_validate({**value, "type": component.type_name()})

    def _unknown(self, name: object) -> PydanticCustomError:
        context = {"kind": self.registry.kind, "name": str(name), "names": self.registry.names}
        return PydanticCustomError("unknown_component", "unknown {kind} '{name}'", context)

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> core_schema.CoreSchema:
        whole = core_schema.wrap_serializer_function_ser_schema(
            lambda value, serialize: serialize(value), schema=core_schema.any_schema()
        )
        return core_schema.no_info_plain_validator_function(self.validate, serialization=whole)

    def __get_pydantic_json_schema__(
        self, schema: core_schema.CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        """A mark that `dlrun schema` replaces by a reference to the kind's definition, which may be recursive."""
        return {"x-component": self.registry.kind}
