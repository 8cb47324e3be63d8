"""PyTorch's script searches what `dlrun sweep` searches."""

import pytest

from benchmarks.processes import ROOT
from benchmarks.sweeps import ALIKE, CONFIG
from dlrun.sweep.arguments import read_argument
from dlrun.sweep.definition import read_sweep


def test_both_draw_the_same_combinations(monkeypatch):
    optuna = pytest.importorskip("optuna", reason="needs optuna (the extra sweep)")
    torch = pytest.importorskip("torch", reason="needs PyTorch")
    from benchmarks import plain_sweep
    from dlrun.sweep.searching import make_sampler, suggest

    monkeypatch.setattr(plain_sweep, "accuracy", lambda *_: 0.5)
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    sweep = read_sweep(ROOT / CONFIG, (), {})
    own, other = optuna.create_study(), optuna.create_study()
    rows = torch.zeros(2, 1, 28, 28), torch.zeros(2, dtype=torch.int64)
    for number in range(4):
        own.sampler = make_sampler(sweep, number)
        trial, peer = own.ask(), other.ask()
        mine = [suggest(trial, parameter) for parameter in sweep.space.parameters]
        assert plain_sweep.objective(peer, rows, rows, 1) == 0.5
        assert [str(value) for value in mine] == [str(value) for value in peer.params.values()]


def test_widths_and_learning_rates_are_as_many_and_as_much_work():
    values = [[float(text) for text in read_argument(argument, 1).domain.options] for argument in ALIKE.values()]
    assert len(values[0]) == len(values[1]) == 7
    assert sum(values[0]) / 7 == 32
