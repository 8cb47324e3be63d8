"""Lengths of time as people write them: 90, 45s, 10m, 1h30m."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import BeforeValidator, Field, WithJsonSchema

PATTERN = r"^(?=.)(?:(\d+(?:\.\d+)?)h)?(?:(\d+(?:\.\d+)?)m)?(?:(\d+(?:\.\d+)?)s)?$"


def parse_duration(value: object) -> object:
    """Return seconds for a string such as "1h30m"; anything else as it is. Raises ValueError for other strings."""
    if not isinstance(value, str):
        return value
    match = re.fullmatch(PATTERN, value.replace(" ", ""))
    if not match:
        raise ValueError(f"'{value}' is no length of time; write seconds, or 45s, 10m, 1h30m")
    hours, minutes, seconds = (float(part or 0) for part in match.groups())
    return hours * 3600 + minutes * 60 + seconds


Duration = Annotated[
    float,
    BeforeValidator(parse_duration),
    Field(gt=0, allow_inf_nan=False),
    WithJsonSchema({"anyOf": [{"type": "number", "exclusiveMinimum": 0}, {"type": "string", "pattern": PATTERN}]}),
]
"""Seconds; a config may also write 45s, 10m, 1h30m."""
