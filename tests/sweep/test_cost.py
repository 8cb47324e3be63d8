"""Several trials at once begin with the longest, and are those that would be trained one after the other."""

from dlrun.sweep.checks import check
from dlrun.sweep.cost import MOST_COMPARED, longest_first
from dlrun.sweep.definition import read_sweep
from dlrun.sweep.folder import open_folder
from tests.sweep.sweeps import LINE, study_of

RANGES = ("model.layers[0].units=int(2,64)", "optimizer.learning_rate=log(1e-3,1e-1)")


def sweep_of(folder, *arguments, **options):
    (folder / "line.yaml").write_text(LINE)
    return read_sweep(folder / "line.yaml", arguments, options)


def proposed(folder, at_once, budget, sweep):
    """The values of the trials in line, and those drawn after them, in the order in which they are claimed."""
    study = study_of(open_folder(check(sweep), [], folder / f"sweeps{at_once}"))
    study.prepare(budget, at_once)
    return [study.claim(budget).assignment for _ in range(budget)], study.claim(budget)


def test_operations_and_epochs_decide(tmp_path):
    sweep = sweep_of(tmp_path, "model.layers[0].units=4,100,50", "training.epochs=1,3")
    order = [tuple(each.values()) for each in longest_first(sweep, list(sweep.combinations()))]
    assert order == [("100", "3"), ("50", "3"), ("100", "1"), ("50", "1"), ("4", "3"), ("4", "1")]


def test_a_network_that_does_not_fit_is_last(tmp_path):
    sweep = sweep_of(tmp_path, "model.layers[0]={type: conv2d, filters: 2, kernel_size: 3},{type: dense, units: 4}")
    assert "conv2d" in str(longest_first(sweep, list(sweep.combinations()))[-1])


def test_more_than_are_worth_it_stay_in_their_order(tmp_path):
    rates = ",".join(f"{rate / 1000}" for rate in range(1, MOST_COMPARED + 2))
    sweep = sweep_of(tmp_path, f"optimizer.learning_rate={rates}", "model.layers[0].units=4,8")
    assert longest_first(sweep, list(sweep.combinations())) == list(sweep.combinations())


def test_random_trials_are_the_same_in_another_order(tmp_path):
    sweep = sweep_of(tmp_path, *RANGES, sampler="random", trials=6)
    (one, end), (two, also) = (proposed(tmp_path, at_once, 6, sweep) for at_once in (1, 2))
    assert two == sorted(one, key=lambda each: -each["model.layers[0].units"])
    assert one != two
    assert end == also == "wait"  # all are claimed, none has ended


def test_a_larger_budget_draws_what_comes_next(tmp_path):
    sweep = sweep_of(tmp_path, *RANGES, sampler="random", trials=6)
    one, _ = proposed(tmp_path, 1, 6, sweep)
    study = study_of(open_folder(check(sweep), [], tmp_path / "sweeps"))
    found = []
    for budget in (2, 6):
        study.prepare(budget, 2)
        found += [study.claim(budget).assignment for _ in range(budget - len(found))]
    assert sorted(found[:2], key=str) == sorted(one[:2], key=str)
    assert sorted(found[2:], key=str) == sorted(one[2:], key=str)


def test_what_a_pruner_compares_keeps_its_order(tmp_path):
    sweep = sweep_of(tmp_path, "model.layers[0].units=4,100,50", pruner="median")
    found, _ = proposed(tmp_path, 2, 3, sweep)
    assert [each["model.layers[0].units"] for each in found] == ["4", "100", "50"]
