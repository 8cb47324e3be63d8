"""Texts for one input of a trained network, through its transforms as they were fitted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from dlrun.data.codec import column_from_json
from dlrun.data.config import DataConfig, InputConfig
from dlrun.data.dataset import Array
from dlrun.data.pipeline import fit, gather
from dlrun.data.prepare import plan_input
from dlrun.data.selection import Chosen
from dlrun.data.sources.text_files import encode_texts
from dlrun.errors import DataError


def text_input(config: DataConfig, fitted: Mapping[str, Any], name: str, texts: Sequence[str]) -> Array:
    """Texts as the network takes them for the input `name`, (rows, *shape); raises DataError where it takes no text."""
    columns = [column_from_json(entry) for entry in fitted[f"inputs/{name}/columns"]]
    if len(columns) != 1 or columns[0].kind != "text":
        raise DataError(f"the input {name!r} isn't a text: it is made of {', '.join(each.name for each in columns)}")
    values, codes = encode_texts(texts)
    column = replace(columns[0], values=values)
    given = (config.inputs or {}).get(name, InputConfig())
    plan = plan_input(name, Chosen((column.name,), given, ("data", "inputs", name)), {column.name: column})
    arrays, rows = {column.name: codes}, np.arange(len(codes))
    return fit(plan, arrays, rows, fitted).apply(gather(plan, arrays, rows))
