"""Whatever the text, the answer is a config or located problems: never a traceback, and always printable."""

from __future__ import annotations

import random
import re

import pytest

from dlrun.config.load import load_text
from dlrun.config.problems import LocatedConfigError
from tests.config.test_load import BASE

TEXT = (
    BASE
    + """\
schedule: {type: cosine, warmup_epochs: 1}
initialize_from: {path: latest, freeze: [hidden]}
training:
  max_time: 1h30m
  batch_size: full
  early_stopping: {monitor: validation/loss, patience: 3}
  checkpoints: {last: true, best: {mode: auto}, every: 2}
"""
)
REPLACEMENTS = (
    "", "null", "[]", "{}", "-1", "1e400", ".nan", "true", "'text'", "[1, [2]]", "{type: x}", "{type: dense}", "&a",
    "*a", "!!str", "dense", "\t", "\n", ":", "- ", "{{", "repeat", "{type: repeat, times: 3, layers: [hidden]}", "名",
    "\x00", "\ufeff", "<<", "? ", "|", "%YAML 1.3", "---", "extends: none.yaml", "#", "\u2028", "0o9",
    "{a: {b: {c: 1}}}", "[{a: b}]",
)  # fmt: skip
PATHS = ("optimizer.lr", "model.layers[1]", "model.layers.hidden.units", "training", "data.inputs.image", "metrics[0]")
TOKEN = re.compile(r"[\w./-]+|[^\w\s]|\s+")


def damaged(rng: random.Random) -> str:
    tokens = TOKEN.findall(TEXT)
    for _ in range(rng.randint(1, 3)):
        place = rng.randrange(len(tokens))
        change = rng.randrange(4)
        if change == 0:
            tokens[place] = ""
        elif change == 1:
            tokens[place] = rng.choice(tokens)
        else:
            tokens[place] = rng.choice(REPLACEMENTS)
    return "".join(tokens)


def answer(text: str, *overrides: str) -> str | None:
    """The problems as they are printed; None if there are none."""
    try:
        load_text(text, "c.yaml", overrides)
    except LocatedConfigError as error:
        return error.render(width=80)
    return None


@pytest.mark.parametrize("seed", range(40))
def test_damaged_configs(seed: int) -> None:
    rng = random.Random(seed)
    for _ in range(10):
        text = damaged(rng)
        printed = answer(text)
        assert printed is None or re.search(r"error: .+\n(.*\n)*\d+ problems? in c\.yaml$", printed), text


@pytest.mark.parametrize("seed", range(20))
def test_damaged_overrides(seed: int) -> None:
    rng = random.Random(seed)
    for _ in range(10):
        override = f"{rng.choice(PATHS)}={rng.choice(REPLACEMENTS)}"
        place = rng.randrange(len(override))
        inserted = override[:place] + rng.choice(REPLACEMENTS) + override[place:]
        override = rng.choice((override, override[:place], inserted))
        printed = answer(TEXT, override)
        assert printed is None or re.search(r"error: .+\n(.*\n)*\d+ problems? in c\.yaml$", printed), override
