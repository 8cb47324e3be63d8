"""The command in one process: checks, grids, searches, going on, what it shows."""

import json
import math

import pytest

from dlrun.config.load import load_config
from dlrun.runs.record import read_record
from dlrun.sweep.definition import read_sweep
from dlrun.sweep.warming import warm_up
from dlrun.sweep.watching import Watcher
from dlrun.training.recording import Recorder
from tests.sweep.sweeps import LINE, folder_of, states, study_of
from tests.training.runs import assert_same_runs

TWO_BY_TWO = ("optimizer.learning_rate=0.1,0.01", "model.layers[0].units=2,4")


def test_every_mistake_is_shown_before_anything_is_trained(place):
    place.write(LINE, "line.yaml")
    wrong = ("optimizer.learning_rate=0.1,-1", "model.layers[0].units=2,0,many", "optimizer.type=sgd,adamm")
    err = place.call("sweep", "line.yaml", *wrong, expect=2).stderr
    for line in (
        "override:1:29: error: optimizer.learning_rate must be at least 0, got -1",
        "override:1:25: error: model.layers[0].units must be greater than 0, got 0",
        "override:1:27: error: model.layers[0].units: expected an integer, got the string 'many'",
        "override:1:20: error: unknown optimizer 'adamm'",
        "4 problems in line.yaml",
    ):
        assert line in err
    assert not (place.folder / "sweeps").exists()


def test_shapes_and_combinations_are_checked_too(place):
    place.write(LINE.replace("sgd, ", "sgd, momentum: 0.5, "), "line.yaml")
    err = place.call("sweep", "line.yaml", "optimizer.type=sgd,adam", "training.epochs=1,2", expect=2).stderr
    assert "unknown field 'momentum' of adam (where optimizer.type=adam epochs=1)" in err
    assert "1 problem in line.yaml" in err
    reshaped = "model.layers[0]={type: dense, units: 4},{type: conv2d, filters: 2, kernel_size: 3}"
    assert "conv2d" in place.call("sweep", "line.yaml", reshaped, expect=2).stderr


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--metric", "validation/accuracy"), "nothing is measured under the name 'validation/accuracy'"),
        (("--sampler", "tpx"), "did you mean 'tpe'?"),
        (("--pruner", "medium"), "did you mean 'median'?"),
        (("loss=mse,mean_squared_error",), "these are the same config"),
        (("data.split={}", "--metric", "validation/loss"), "there are no validation rows"),
    ],
)
def test_options_that_make_no_sense(place, options, message):
    place.write(LINE, "line.yaml")
    assert message in place.call("sweep", "line.yaml", "training.epochs=1,2", *options, expect=2).stderr


def test_a_grid_is_trained_once_and_shown(place):
    place.write(LINE, "line.yaml")
    out = place.call("sweep", "line.yaml", *TWO_BY_TWO).stdout
    assert out.splitlines()[0] == "sweeps/line-1"
    assert "4 finished, of a budget of 4" in out
    folder = folder_of(place)
    assert states(folder) == {"COMPLETE": 4}
    records = {run.name: read_record(run / "run.json") for run in folder.trials.iterdir()}
    assert len(records) == 4
    assert {record.status for record in records.values()} == {"finished"}
    again = place.call("sweep", "line.yaml", *TWO_BY_TWO).stdout
    assert "4 of 4 trials were done before" in again
    assert {run.name: read_record(run / "run.json") for run in folder.trials.iterdir()} == records
    shown = json.loads(place.call("sweep", "show", "line-1", "--json").stdout)
    values = [trial["value"] for trial in shown["trials"]]
    assert values == sorted(values)
    assert (shown["metric"], shown["direction"]) == ("validation/loss", "minimize")
    assert shown["best"] == shown["trials"][0]
    assert math.isclose(sum(shown["importances"].values()), 1) or shown["importances"] == {}


def test_the_best_config_trains_to_the_same_bits(place):
    place.write(LINE, "line.yaml")
    place.call("sweep", "line.yaml", *TWO_BY_TWO)
    shown = json.loads(place.call("sweep", "show", "latest", "--json").stdout)
    place.call("train", shown["best_config"], f"--runs={place.runs}")
    from dlrun.runs.directory import RunDirectory

    assert_same_runs(RunDirectory(place.folder / shown["best"]["path"]), RunDirectory(place.runs / "line-1"))
    place.call("evaluate", shown["best"]["path"], "--split", "validation")


def test_another_grid_another_folder(place):
    place.write(LINE, "line.yaml")
    place.call("sweep", "line.yaml", "training.epochs=1,2")
    place.call("sweep", "line.yaml", "training.epochs=1,2", "seed=1")
    place.call("sweep", "line.yaml", "training.epochs=1,2", "--new")
    assert sorted(path.name for path in (place.folder / "sweeps").iterdir() if path.name[0] != ".") == [
        "line-1", "line-2", "line-3"
    ]  # fmt: skip


RANGES = (
    "optimizer.learning_rate=log(1e-3,0.3)",
    "model.layers[0].units=int(2,8,2)",
    "optimizer.type=choice(sgd,adam)",
)


@pytest.mark.parametrize("sampler", ["random", "tpe", "cmaes"])
def test_a_search_goes_on_and_draws_what_it_would_have_drawn(place, sampler):
    if sampler == "cmaes":
        pytest.importorskip("cmaes", reason="needs cmaes (the extra sweep)")
    place.write(LINE.replace("epochs: 3", "epochs: 1"), "line.yaml")
    command = ("sweep", "line.yaml", *RANGES, "--sampler", sampler)
    place.call(*command, "--trials", "5")
    place.call(*command, "--trials", "9")
    place.call("sweep", "resume", "sweeps/line-1", "--trials", "3")
    place.call(*command, "--trials", "12", "--new")
    found = [[trial.params for trial in study_of(folder_of(place, name)).trials()] for name in ("line-1", "line-2")]
    assert found[0] == found[1]
    assert len(found[0]) == 12
    assert {params["model.layers[0].units"] for params in found[0]} <= {2, 4, 6, 8}


def test_a_combination_that_is_drawn_again_is_trained_once(place):
    place.write(LINE, "line.yaml")
    place.call("sweep", "line.yaml", "training.epochs=1,2", "--sampler", "random", "--trials", "6")
    folder = folder_of(place)
    assert len(study_of(folder).trials()) == 6
    assert len(list(folder.trials.iterdir())) == 2
    assert states(folder) == {"COMPLETE": 6}


def test_conditions(place):
    section = """
sweep:
  parameters:
    optimizer.type: [sgd, adam]
    optimizer.momentum: {type: choice, values: [0.5, 0.9], when: {optimizer.type: sgd}}
"""
    place.write(LINE + section, "line.yaml")
    place.call("sweep", "line.yaml")
    folder = folder_of(place)
    configs = [load_config(run / "config.yaml").config for run in folder.trials.iterdir()]
    kinds = sorted((config.optimizer.type, getattr(config.optimizer, "momentum", None)) for config in configs)
    assert kinds == [("adam", None), ("sgd", 0.5), ("sgd", 0.9)]
    assert "describes a sweep" in place.call("train", "line.yaml", expect=2).stderr
    place.call("train", "line.yaml", "sweep=null")


@pytest.mark.parametrize("pruner", ["median", "asha", "hyperband"])
def test_pruned_trials_are_runs_that_were_stopped(place, pruner):
    place.write(LINE.replace("epochs: 3", "epochs: 12"), "line.yaml")
    rates = "optimizer.learning_rate=0.3,0.2,0.1,0.05,0.03,1e-5,1e-6,1e-7,1e-8,1e-9"
    out = place.call("sweep", "line.yaml", rates, "--pruner", pruner).stdout
    folder = folder_of(place)
    counts = states(folder)
    assert counts["PRUNED"] >= 1
    assert counts["COMPLETE"] + counts["PRUNED"] == 10
    assert f"{counts['PRUNED']} pruned" in out
    for trial in study_of(folder).trials():
        record = read_record(folder.run(trial.user_attrs["key"]).record)
        if trial.state.name == "PRUNED":
            assert (record.status, record.reason) == ("stopped", "pruned")
            assert record.epochs < 12
            assert trial.value == trial.intermediate_values[record.epochs]
    assert "pruned" not in place.call("sweep", "line.yaml", rates, "--pruner", pruner).stdout.partition("\n\n")[0]


def test_a_failed_trial_is_told_at_once_and_tried_again_by_the_next_command(place, monkeypatch):
    place.write(LINE, "line.yaml")
    original = Recorder.start

    def start(self, begun):
        if "learning_rate: 0.2" in self.run.resolved_config.read_text():
            raise OSError(5, "the disk is on fire")
        original(self, begun)

    rates = "optimizer.learning_rate=0.1,0.2,0.3"
    with monkeypatch.context() as patch:
        patch.setattr(Recorder, "start", start)
        out = place.call("sweep", "line.yaml", rates).stdout.splitlines()
    failed = next(index for index, line in enumerate(out) if "FAILED" in line)
    assert "learning_rate=0.2" in out[failed]
    assert "the disk is on fire" in out[failed]
    assert out[failed + 1].startswith("trial 2: learning_rate=0.3")
    assert states(folder_of(place)) == {"COMPLETE": 2, "FAIL": 1}
    assert "2 finished, 1 failed" in place.call("sweep", "show", "line-1").stdout
    assert "3 finished, of" in place.call("sweep", "line.yaml", rates).stdout
    assert len(list(folder_of(place).trials.iterdir())) == 3


def test_a_sweep_without_a_result_fails(place):
    place.write(LINE, "line.yaml")
    done = place.call("sweep", "line.yaml", "optimizer.learning_rate=1e30,1e31", expect=1)
    assert "no trial came to its end" in done.stderr
    assert done.stdout.count("FAILED") == 2


def test_two_workers_find_what_one_finds(place):
    place.write(LINE, "line.yaml")
    place.call("sweep", "line.yaml", *TWO_BY_TWO)
    out = place.run("sweep", "line.yaml", *TWO_BY_TWO, "--new", "--jobs", "2").stdout
    assert "4 finished, of a budget of 4" in out
    one, two = folder_of(place), folder_of(place, "line-2")
    assert {run.name for run in one.trials.iterdir()} == {run.name for run in two.trials.iterdir()}
    for run in one.trials.iterdir():
        assert_same_runs(one.run(run.name), two.run(run.name))


def test_nothing_there(place):
    assert "there is no sweep 'x'" in place.call("sweep", "show", "x", expect=2).stderr
    assert "there are no sweeps" in place.call("sweep", "resume", "latest", expect=2).stderr


def test_without_optuna(place, monkeypatch):
    import sys

    place.write(LINE, "line.yaml")
    monkeypatch.setitem(sys.modules, "optuna", None)
    err = place.call("sweep", "line.yaml", *TWO_BY_TWO, expect=1).stderr
    assert "dlrun sweep needs the package 'optuna', which is not installed" in err
    assert "pip install 'dlrun[sweep]'" in err


def test_kernels_of_all_combinations_are_there_before_workers_start(place, monkeypatch):
    place.write(LINE, "line.yaml")
    sweep = read_sweep(place.folder / "line.yaml", ["optimizer.type=sgd,adam", "model.layers[0].units=2,4"], {})
    compiled = []
    monkeypatch.setattr("dlrun.sweep.warming.is_stored", lambda kernel, precision: "adam" not in kernel.name)
    monkeypatch.setattr("dlrun.sweep.warming.load_kernels", lambda kernels, *_: compiled.append(kernels))
    warm_up(sweep, Watcher(), 1)
    assert [[kernel.name for kernel in kernels] for kernels in compiled] == [["adam_update"]] * 2
