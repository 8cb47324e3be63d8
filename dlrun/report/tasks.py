"""What a network is there for, shown: texts that it writes, translations, recommendations, anomalies, forecasts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from dlrun.data.dataset import Split
from dlrun.data.random import permutation
from dlrun.data.signature import Feature
from dlrun.data.texts import source_texts
from dlrun.executor.executor import Array
from dlrun.report.blocks import BLUE, COLOURS, GREY, ORANGE, Chart, Section, Table, Texts, View, axes, one
from dlrun.runs.directory import RunDirectory
from dlrun.training.beam import Search
from dlrun.training.checkpointing import Restored
from dlrun.training.detection import Detection, Request, detect
from dlrun.training.generation import LanguageModel, Sampling
from dlrun.training.recommending import recommend
from dlrun.training.translation import Translator, translated_input

TEXTS, TOKENS, PROMPT = (3, 12), 200, 16
"""Texts that a language model writes, at least and, where they are short, at most; tokens of each, and of the text that
it goes on with."""
LETTERS = 400
"""Letters of all its texts that are enough."""
TRANSLATIONS, USERS, ITEMS = 12, 5, 5
MOST_POINTS = 4_000
MOST_WINDOWS, MOST_COLUMNS = 8, 3


def task_section(
    run: RunDirectory, checkpoint: str | None, restored: Restored, name: str, split: Split
) -> Section | None:
    """What the network does with some of the rows of a split; None where its predictions say it all.

    Raises what the commands generate, translate, recommend and detect raise.
    """
    config = restored.config.config
    if config.anomaly is not None:
        return anomaly_section(detect(run, Request(name, None, checkpoint)))
    if config.data.negatives is not None:
        return _recommendations(run, checkpoint, restored)
    if translated_input(restored) is not None:
        return _translations(run, checkpoint, split)
    targets = list(config.data.targets.values())
    if len(targets) == 1 and targets[0].shift == 1 and len(restored.signature.inputs) == 1:
        return _generated(run, checkpoint, split)
    return None


def _generated(run: RunDirectory, checkpoint: str | None, split: Split) -> Section:
    """Texts of a language model, which go on with the beginnings of rows where it has no start token."""
    model = LanguageModel(run, checkpoint)
    (ids,) = split.inputs.values()
    texts: list[tuple[str, str]] = []
    for number, row in enumerate(_some(split.rows, TEXTS[1])):
        if number >= TEXTS[0] and sum(len(text) for _, text in texts) >= LETTERS:
            break
        start = model.tokenizer.start
        prompt = [start] if start is not None else [int(token) for token in ids[row] if token != 0][:PROMPT]
        text = "".join(model.generate(prompt, TOKENS, Sampling(), number))
        begun = "" if start is not None else model.tokenizer.decode(prompt)
        texts.append((f"seed {number}" + (f", after {begun!r}" if begun else ""), begun + text))
    caption = f"At most {TOKENS} tokens, drawn at temperature 1. dlrun generate writes more."
    return Section("Generated", [Texts("Texts", texts, caption)])


def _translations(run: RunDirectory, checkpoint: str | None, split: Split) -> Section:
    translator = Translator(run, checkpoint)
    rows = _some(split.rows, TRANSLATIONS)
    said = translator.decode({name: split.inputs[name][rows] for name in translator.given}, Search())
    data, fitted = translator.restored.config.config.data, translator.restored.fitted
    names = [*translator.given, translator.grows]
    columns = [(name, found) for name in names if (found := source_texts(data, fitted, name, split.index[rows]))]
    table = [list(row) for row in zip(*(found for _, found in columns), said, strict=True)]
    caption = f"Some rows as the source has them, and what the network makes of them with a beam of {Search().beam}."
    return Section("Translations", [Table("Texts", [*(name for name, _ in columns), "translated"], table, caption)])


def _recommendations(run: RunDirectory, checkpoint: str | None, restored: Restored) -> Section:
    negatives = restored.config.config.data.negatives
    assert negatives is not None
    known = restored.signature.inputs[negatives.user].classes or ()
    found = recommend(run, checkpoint, (), ITEMS)
    users = list(dict.fromkeys(row["user"] for row in found))
    chosen = {users[place] for place in _some(len(users), USERS)}
    rows = [[row["user"], row["rank"], row["item"], row["score"]] for row in found if row["user"] in chosen]
    caption = f"The first {ITEMS} items of some of {len(known) or len(users):,} users, without those they have already."
    return Section(
        "Recommendations", [Table("Items", (negatives.user, "rank", negatives.item, "score"), rows, caption)]
    )


def anomaly_section(found: Detection) -> Section:
    """Scores with the threshold and what is labelled, and tables of alarms and windows."""
    rates = {**found.report().get("per_row", {}), **found.report().get("per_window", {})}
    counts = {"threshold": found.threshold, "rows": len(found.flags), "flagged": int(found.flags.sum()), **rates}
    plain = [[name.replace("_", " "), value] for name, value in counts.items() if isinstance(value, int | float)]
    tables = [Table("Detection", ("measure", "value"), plain, f"Threshold: {found.chosen}.", wide=False)]
    for title, rows in (("Alarms", found.alarm_rows()), ("Labelled anomalies", found.window_rows())):
        if found.is_series and rows:
            tables.append(Table(title, list(rows[0]), [list(row.values()) for row in rows]))
    return Section("Anomalies", [_score_chart(found), *tables])


def _score_chart(found: Detection) -> Chart:
    kept = _peaks(found.scores.values, found.flags)
    places = [found.place(int(position)) for position in kept]
    x = [place.get("time", place["row"]) for place in places]
    values = found.scores.values[kept]
    line = {
        "type": "scatter", "mode": "lines" if found.is_series else "markers", "x": x, "y": values, "name": "score",
        "line": {"color": BLUE, "width": 1}, "marker": {"size": 4, "color": BLUE},
    }  # fmt: skip
    flagged = np.flatnonzero(found.flags[kept])
    marks = {
        "type": "scatter", "mode": "markers", "x": [x[place] for place in flagged], "y": values[flagged],
        "name": "flagged", "marker": {"size": 6, "color": ORANGE},
    }  # fmt: skip
    threshold = {
        "type": "scatter", "mode": "lines", "x": [x[0], x[-1]] if x else [], "y": [found.threshold] * min(2, len(x)),
        "name": "threshold", "line": {"color": GREY, "dash": "dash"},
    }  # fmt: skip
    shapes = []
    for window in found.windows:
        inside = np.flatnonzero(window)
        ends = [found.place(int(place)) for place in (inside[0], inside[-1])]
        start, end = (place.get("time", place["row"]) for place in ends)
        shapes.append({
            "type": "rect", "x0": start, "x1": end, "y0": 0, "y1": 1, "yref": "paper", "layer": "below",
            "line": {"width": 0}, "fillcolor": "rgba(192,95,160,0.2)",
        })  # fmt: skip
    caption = f"Of {found.data}." + (" Shaded: what is labelled as anomalies." if shapes else "")
    layout = axes("time" if found.known.written is not None else "row", "score", shapes=shapes)
    return one("Scores", [line, marks, threshold], layout=layout, caption=caption, wide=True)


def _peaks(values: Array, flags: Array) -> Array:
    """Places of the highest score in each stretch, and of all that is flagged, where there are many. (n,) → (k,)"""
    if len(values) <= MOST_POINTS:
        return np.arange(len(values))
    edges = np.linspace(0, len(values), MOST_POINTS // 2 + 1).astype(np.int64)
    highest = [start + int(values[start:end].argmax()) for start, end in pairwise(edges)]
    return np.union1d(highest, np.flatnonzero(flags)[:MOST_POINTS])


def forecast_chart(split: Split, target: Feature, truth: Array, said: Array) -> Chart | None:
    """Some windows of a series, step by step; None for a single step. Shapes: truth, said (n, steps * columns)."""
    names = target.columns or (target.name,)
    steps = truth.shape[1] // len(names)
    if steps < 2 or truth.shape[1] % len(names):
        return None
    shape = (-1, steps, len(names))
    x = list(range(1, steps + 1))
    views = []
    for row in _some(split.rows, MOST_WINDOWS):
        traces: list[Mapping[str, Any]] = []
        for index, column in enumerate(names[:MOST_COLUMNS]):
            line = {"color": COLOURS[index], "width": 2}
            own = {"type": "scatter", "x": x, "mode": "lines"}
            true, predicted = (each.reshape(shape)[row, :, index] for each in (truth, said))
            traces.append({**own, "y": true, "name": f"{column}, true", "line": line})
            traces.append({**own, "y": predicted, "name": f"{column}, predicted", "line": {**line, "dash": "dot"}})
        views.append(View(f"row {split.index[row]}", traces))
    left_out = len(names) - MOST_COLUMNS
    caption = f"{left_out} more columns are left out." if left_out > 0 else ""
    return Chart("Windows", views, axes("step", ""), caption, wide=True)


def _some(rows: int, count: int) -> Sequence[int]:
    """A few of the rows, always the same ones, ascending."""
    return sorted(permutation(rows, 0, "report/rows")[:count].tolist())
