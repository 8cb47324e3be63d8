"""What a sweep shows while it goes on."""

import math
from io import StringIO

from rich.console import Console

from dlrun.cli.sweep_progress import LiveSweep, PlainSweep
from dlrun.sweep.watching import Teller, Watcher, dispatch


def tell_a_sweep(watcher):
    """Three trials: one ends, one fails, one is in its second epoch."""
    for number in range(3):
        watcher.started(number, f"abc{number}", f"units={number}", 5)
    watcher.compiling(2, "dense_forward", 0, 2)
    watcher.epoch(0, 4, 0.5, 0.5)
    watcher.ended(0, "finished", 0.25, 5, "")
    watcher.ended(1, "failed", None, None, "no luck")
    watcher.epoch(2, 2, 0.75, 0.5)


def test_lines(capsys):
    tell_a_sweep(PlainSweep("validation/loss", False, 3, 0, math.nan))
    assert capsys.readouterr().out.splitlines() == [
        "trial 0: units=0",
        "trial 1: units=1",
        "trial 2: units=2",
        "compiling kernel 1 of 2, once for this machine: dense_forward",
        "trial 0 finished  validation/loss 0.2500 in epoch 5  [1/3, best 0.2500]",
        "trial 1 FAILED  (units=1): no luck  [1/3, best 0.2500]",
    ]


def test_the_table(monkeypatch):
    live, text = LiveSweep("validation/loss", False, 3, 0, math.nan), StringIO()
    live.console = Console(file=text, width=100)
    tell_a_sweep(live)
    live.console.print(live._table())
    shown = [line.split() for line in text.getvalue().splitlines() if line.strip()]
    assert shown[0] == ["trial", "1", "FAILED", "(units=1):", "no", "luck", "[1/3,", "best", "0.2500]"]
    assert ["1", "of", "3", "trials", "best", "validation/loss", "0.2500"] in shown
    assert ["0", "units=0", "4/5", "0.2500", "0.2500", "finished"] in shown
    assert ["1", "units=1", "0/5", "failed"] in shown
    assert shown[-1] == ["2", "units=2", "2/5", "0.7500", "0.5000"]


def test_events_come_through_a_pipe():
    class Heard(Watcher):
        def __init__(self):
            self.events = []

        def started(self, *arguments, **named):
            self.events.append(named)

        def ended(self, *arguments, **named):
            self.events.append(named)

    heard, lines = Heard(), []
    tell_a_sweep(Teller(lines.append))
    for line in lines:
        dispatch(heard, line)
    assert [event["trial"] for event in heard.events] == [0, 1, 2, 0, 1]
    assert heard.events[-1]["reason"] == "no luck"
    assert dispatch(heard, "Numba says something\n") == {}
