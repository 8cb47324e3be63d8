"""Rows of values as CSV: predictions, forecasts, scores, explanations."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from dlrun.runs.files import write_text


def write_table(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    """Write rows, all with the names of the first, under a line of these; a list becomes JSON. Raises: RunError."""
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]) if rows else [], lineterminator="\n")
    writer.writeheader()
    for row in rows:
        writer.writerow({name: json.dumps(value) if isinstance(value, list) else value for name, value in row.items()})
    write_text(path, text.getvalue())
