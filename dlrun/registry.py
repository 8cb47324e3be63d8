"""Components and the registries that list them.

A component is what a config writes as `{type: name, ...}`: a layer, loss, optimizer, source and so on. Its Pydantic
fields are at once its entry in the config language, its validation and its documentation. The YAML union, the JSON
Schema, `dlrun layers` and the tests over all components are derived from the registries.
"""

# No `from __future__ import annotations`: Pydantic would evaluate Spec's annotations' texts anew for each component.

from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from importlib import import_module
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
    """The components of one kind, by name; a component's module is imported when it is first asked for.

    `places` says by name where a class is, as "dense:Dense" for the class Dense of the module `package`.dense, or
    gives a function that returns it: most configs use few components, and importing all of them would take most of
    the time of a start. `synonyms` are other type names that a config may write:
    {"categorical_crossentropy": "cross_entropy"}.
    """

    def __init__(
        self,
        kind: str,
        places: Mapping[str, str | Callable[[], type[C]]],
        synonyms: Mapping[str, str] | None = None,
        package: str = "",
    ) -> None:
        self.kind = kind
        self.synonyms = dict(synonyms or {})
        self.package = package
        self._places = dict(places)
        self._loaded: dict[str, type[C]] = {}

    @classmethod
    def of(cls, kind: str, components: Iterable[type[C]], synonyms: Mapping[str, str] | None = None) -> "Registry[C]":
        """A registry of classes that are there already. Raises: ValueError where two share a name."""
        registry = cls(kind, {}, synonyms)
        for component in components:
            if component.type_name() in registry._loaded:
                raise ValueError(f"two components of kind {kind!r} share a name")
            registry._loaded[component.type_name()] = component
        return registry

    def __iter__(self) -> Iterator[type[C]]:
        return (self[name] for name in self.names)

    def __getitem__(self, name: str) -> type[C]:
        name = self.synonyms.get(name, name)
        if name not in self._loaded:
            self._loaded[name] = self._load(name, self._places[name])
        return self._loaded[name]

    def __contains__(self, name: object) -> bool:
        return name in self._places or name in self._loaded or name in self.synonyms

    def _load(self, name: str, place: str | Callable[[], type[C]]) -> type[C]:
        if isinstance(place, str):
            module, _, of = place.partition(":")
            component: type[C] = getattr(import_module(f"{self.package}.{module}"), of)
        else:
            component = place()
        if component.type_name() != name:
            raise ValueError(f"the {self.kind} {name!r} calls itself {component.type_name()!r}")
        return component

    def attribute(self, of: str) -> type[C]:
        """The component whose class has a name: what a package's __getattr__ gives. Raises: AttributeError."""
        for name, place in self._places.items():
            if isinstance(place, str) and place.endswith(f":{of}"):
                return self[name]
        raise AttributeError(f"module {self.package!r} has no attribute {of!r}")

    def holds(self, value: object) -> bool:
        """Whether a value is one of these components already."""
        return isinstance(value, Component) and value.type in self and isinstance(value, self[value.type])

    @property
    def loaders(self) -> dict[str, Callable[[], type[C]]]:
        """A function for each name that gives its component: for a registry with these and others."""
        return {name: partial(self.__getitem__, name) for name in self.names}

    @property
    def names(self) -> list[str]:
        """Every name, sorted, synonyms left out."""
        return sorted({*self._places, *self._loaded})


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
        if isinstance(value, Component) and registry.holds(value):
            return value
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
