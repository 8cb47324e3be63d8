"""The scalars of YAML 1.2's core schema, read and written.

Source: YAML 1.2.2, section 10.3.2, "Tag Resolution". So `no`, `on`, `1_000`, `12:30` and `2024-01-01` are strings,
`1e-3` is a float, `0o17` is 15 and `017` is 17.
"""

from __future__ import annotations

import math
import re

Scalar = str | int | float | bool | None

NULL = frozenset(["", "~", "null", "Null", "NULL"])
BOOLEAN = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}
INTEGER = re.compile(r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+")
FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
INFINITY = re.compile(r"[-+]?\.(inf|Inf|INF)")
NOT_A_NUMBER = frozenset([".nan", ".NaN", ".NAN"])
LONGEST_INTEGER = 400

PLAIN = re.compile(r"[A-Za-z_./][A-Za-z0-9_./+-]*( [A-Za-z0-9_./+-]+)*")
"""Strings that need no quotes; a string of other characters is written in double quotes, to be on the safe side."""


def read_scalar(text: str) -> Scalar:
    """Return the value of a plain (unquoted) scalar. Raises ValueError for a number that is out of range."""
    if text in NULL:
        return None
    if text in BOOLEAN:
        return BOOLEAN[text]
    if INTEGER.fullmatch(text):
        return _read_integer(text)
    if FLOAT.fullmatch(text):
        number = float(text)
        if math.isinf(number):
            raise ValueError("this number is too large for a float; infinity is written .inf")
        return number
    if INFINITY.fullmatch(text):
        return -math.inf if text.startswith("-") else math.inf
    return math.nan if text in NOT_A_NUMBER else text


def _read_integer(text: str) -> int:
    if len(text) > LONGEST_INTEGER:
        raise ValueError("this integer has too many digits")
    if text.startswith("0o"):
        return int(text[2:], 8)
    return int(text[2:], 16) if text.startswith("0x") else int(text)


def write_scalar(value: Scalar) -> str:
    """Return the YAML text that `read_scalar` (or a YAML 1.2 parser, where it is quoted) reads back as `value`."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float):
        return _write_float(value)
    return value if _is_safely_plain(value) else '"' + "".join(map(_escaped, value)) + '"'


def _write_float(value: float) -> str:
    """Return the shortest text that gives the same float: 0.001, 1.0e-05. YAML 1.1 parsers read it as well."""
    if math.isnan(value):
        return ".nan"
    if math.isinf(value):
        return ".inf" if value > 0 else "-.inf"
    mantissa, exponent, power = repr(value).partition("e")
    return mantissa + ("" if "." in mantissa else ".0") + exponent + power


def _escaped(character: str) -> str:
    if character in '"\\':
        return "\\" + character
    if character.isprintable():
        return character
    code = ord(character)
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def _is_safely_plain(text: str) -> bool:
    if not PLAIN.fullmatch(text) or text.lower() in YAML_1_1_WORDS or text.startswith("..."):
        return False
    return isinstance(read_scalar(text), str)


YAML_1_1_WORDS = frozenset(["y", "n", "yes", "no", "on", "off"])
"""Strings in YAML 1.2 which older parsers take for booleans: quoted for their sake."""
