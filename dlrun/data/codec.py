"""Signatures, descriptions and fitted values as JSON, for the cache and for checks of equality."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import numpy as np

from dlrun.data.signature import Feature, Signature
from dlrun.data.sources.base import Column, Description

ARRAY = "__array__"


def fitted_to_json(fitted: Mapping[str, Any]) -> dict[str, Any]:
    """Arrays become {"__array__": dtype, "values": nested list}; float64 survives unchanged."""
    return {
        key: {ARRAY: str(value.dtype), "values": value.tolist()} if isinstance(value, np.ndarray) else value
        for key, value in fitted.items()
    }


def fitted_from_json(stored: Mapping[str, Any]) -> dict[str, Any]:
    """The inverse of `fitted_to_json`."""
    return {
        key: np.array(value["values"], value[ARRAY]) if isinstance(value, dict) and ARRAY in value else value
        for key, value in stored.items()
    }


def signature_to_json(signature: Signature) -> dict[str, Any]:
    """Features in order, as lists."""
    return {
        "inputs": [asdict(feature) for feature in signature.inputs.values()],
        "targets": [asdict(feature) for feature in signature.targets.values()],
    }


def signature_from_json(stored: Mapping[str, Any]) -> Signature:
    """The inverse of `signature_to_json`."""
    inputs, targets = (
        {entry["name"]: Feature(**_tuples(entry)) for entry in stored[part]} for part in ("inputs", "targets")
    )
    return Signature(inputs, targets)


def description_to_json(description: Description) -> dict[str, Any]:
    """A source's description."""
    stored = asdict(description)
    stored["columns"] = list(stored["columns"].values())
    return stored


def description_from_json(stored: Mapping[str, Any]) -> Description:
    """The inverse of `description_to_json`."""
    columns = {entry["name"]: column_from_json(entry) for entry in stored["columns"]}
    return Description(columns, stored["rows"], stored["target"], stored["variant"], tuple(stored["notes"]))


def column_from_json(stored: Mapping[str, Any]) -> Column:
    """A column that `dataclasses.asdict` and JSON took apart."""
    return Column(**_tuples(stored))


def _tuples(entry: Mapping[str, Any]) -> dict[str, Any]:
    return {key: _tuple(value) for key, value in entry.items()}


def _tuple(value: Any) -> Any:
    return tuple(_tuple(item) for item in value) if isinstance(value, list) else value
