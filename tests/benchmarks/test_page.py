"""Tables, aims and the page, from made-up figures. Nothing is timed."""

import pytest

from benchmarks.aims import aims, behind
from benchmarks.contender import PEERS
from benchmarks.figures import (
    Comparison,
    Entry,
    Figures,
    Memory,
    Search,
    Sitting,
    Starts,
    Sweeps,
    Together,
    geometric_mean,
    read_sitting,
)
from benchmarks.page import page
from benchmarks.suite import MAIN
from benchmarks.tables import comparison_text, speeds_table, table

MACHINE = {"cpu": "A", "cores": 2, "system": "B", "versions": {"numpy": "2"}}


def comparison(network, dlrun, jax, batch=32, task="train"):
    figures = [
        Figures("dlrun", "1", None, [dlrun * 0.9, dlrun * 1.2, dlrun], 10**8),
        Figures("jax", "2", None, [jax], 2 * 10**8),
        Figures("pytorch", "3", None, [jax / 2], 10**8),
        Figures("keras", skipped="not there"),
    ]
    return Comparison(network, f"configs/{network}.yaml", task, batch, 2, "rows", 1e6, 1e9, figures)


def sitting(*values):
    made = Sitting(MACHINE)
    for part, key, value in values:
        made.put(Entry(part, key, "2026-01-02 03:04 UTC", 0.5, "python -m benchmarks", "abc", value))
    return made


def test_geometric_mean():
    assert geometric_mean([2.0, 8.0]) == pytest.approx(4)
    assert geometric_mean([3.0]) == pytest.approx(3)


def test_tables_are_aligned():
    assert table([("a", "bb"), ("ccc", "d")]) == "| a   | bb |\n|-----|----|\n| ccc | d  |"


def test_speeds_are_compared_with_the_fastest_peer():
    text = speeds_table([comparison("mlp", 400, 100), comparison("lstm", 200, 200)], ["mlp", "lstm"])
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in text.splitlines()]
    assert rows[0] == ["network", "dlrun", *PEERS, "dlrun to the fastest", "of the ceiling"]
    assert rows[2] == ["mlp", "400", "50", "-", "**100**", "-", "4.00", "40%"]
    assert rows[4] == ["geometric mean", "", "", "", "", "", "2.00", ""]


def test_no_mean_is_taken_over_some_of_the_networks():
    assert "not all measured" in speeds_table([comparison("mlp", 400, 100)], ["mlp", "lstm"])


def test_a_comparison_shows_the_spread_and_who_is_missing():
    text = comparison_text(comparison("mlp", 100, 50))
    assert "| dlrun 1   | 100       | 90 - 120         | 1 " in text
    assert "2.00 times as fast" in text
    assert text.endswith("Left out: keras (not there).\n")


def test_aims_are_reached_missed_or_not_measured():
    values = [("training", f"{case.name}/32", comparison(case.name, 500, 100)) for case in MAIN]
    values += [
        ("training", "resnet/64", comparison("resnet", 110, 100, 64)),
        ("training", "x/32", comparison("x", 1, 9)),
    ]
    values += [("training", "cifar_cnn/128", comparison("cifar_cnn", 700, 100, 128))]
    values += [("inference", "lstm", comparison("lstm", 150, 100, 256, "evaluate"))]
    starts = Starts("mnist_cnn", 3, {"dlrun": 9.0, "jax": 3.0}, {"dlrun": 0.9, "jax": 2.0}, {"jax": 1.5})
    starts.command = {"cold": 13.0, "warm": 0.95}
    values += [("starts", "mnist_cnn", starts), ("memory", "mnist_cnn", Memory({}, {"dlrun": 40, "pytorch": 100}))]
    seconds = {
        "one after the other, 2 threads": [4.0],
        "at once, 1 thread each": [3.0],
        "at once, 2 each": [9.0],
    }
    values += [("together", "four", Together({}, seconds))]
    found = {aim.what: aim for aim in aims(sitting(*values))}
    verdicts = {what: aim.reached for what, aim in found.items()}
    assert verdicts["training at batch 32, against the fastest peer: each of mlp, mnist_cnn, cifar_cnn, lstm"] is True
    assert verdicts["training at batch 32, against the fastest peer: geometric mean"] is True
    assert verdicts["training at batch 128, against the fastest peer: geometric mean"] is None
    assert verdicts["training of resnet at batch 64, against the fastest peer"] is False
    assert found["training of resnet at batch 64, against the fastest peer"].measured == "1.10 times"
    assert verdicts["evaluation of lstm, against the fastest peer"] is False
    assert sum(reached is True for reached in verdicts.values()) == 7
    lines = "\n".join(behind(sitting(*values)))
    assert "- training of resnet at batch 64, against the fastest peer: 1.10 times (aim: at least 1.2 times)." in lines
    assert "- from the command to the first step ever: mnist_cnn: 13.0 s (aim: at most 12 s)." in lines
    assert "- x, batch 32: jax trains 9.00 times as fast as dlrun." in lines
    assert "- mnist_cnn: jax starts sooner, cold (3.0 s to 9.0 s)." in lines
    assert "at once" not in lines


def test_the_page_tells_how_to_repeat_it():
    text = page(sitting(("training", "mlp/32", comparison("mlp", 400, 100))), "Busy.")
    assert "```sh\npython -m benchmarks --results docs/benchmarks.json --page docs/benchmarks.md\n```" in text
    assert "2026-01-02 03:04 UTC" in text
    assert "numpy 2; commit abc\n" in text
    assert "\nBusy.\n" in text
    assert "## Training, batch 32, samples/s" in text
    assert "In none of the figures below." in text


def test_a_sitting_in_pieces_tells_all_its_commands(tmp_path):
    made = sitting(("training", "mlp/32", comparison("mlp", 400, 100)), ("memory", "mnist_cnn", Memory({}, {})))
    made.entries["memory/mnist_cnn"].command = "python -m benchmarks memory"
    made.save(tmp_path / "figures.json")
    kept = read_sitting(tmp_path / "figures.json")
    assert kept == made
    made.entries.pop("memory/mnist_cnn")
    kept.put(Entry("training", "mlp/32", "later", None, "python -m benchmarks", "abd", comparison("mlp", 1, 1)))
    assert len(kept.entries) == 2
    kept.entries["memory/mnist_cnn"].value = Memory({"dlrun": "a", "pytorch": "b"}, {"dlrun": 1, "pytorch": 2})
    text = page(kept)
    assert (
        "python -m benchmarks --results docs/benchmarks.json\n"
        "python -m benchmarks memory --results docs/benchmarks.json\n"
        "python -m benchmarks --only-page --results docs/benchmarks.json --page docs/benchmarks.md\n"
    ) in text


def test_sweeps_are_compared_in_the_faster_way_of_each():
    searches = [
        Search("dlrun", 1, 2, [3.0], {"a": 0.9}),
        Search("dlrun", 2, 1, [2.0, 2.4, 1.0], {"a": 0.9, "b": 0.8}),
        Search("pytorch", 1, 2, [12.0], {"a": 0.91}),
        Search("pytorch", 2, 1, [9.0], {"a": 0.9}),
    ]
    sweeps = Sweeps("a.yaml", 12, 2, 300, 60, searches, {"widths of a layer": [1.05], "learning rates": [1.0]})
    assert sweeps.ratio() == pytest.approx(4.5)
    made = sitting(("sweeps", "mnist_cnn", sweeps))
    verdicts = {aim.what: (aim.measured, aim.reached) for aim in aims(made)}
    assert verdicts["trials an hour, against PyTorch with Optuna"] == ("4.50 times", True)
    assert verdicts["a trial of a sweep over widths, against one over learning rates"] == ("1.05 times as long", True)
    text = page(made)
    assert "12 trials of 2 epochs on 300 images" in text
    rows = [
        [cell.strip() for cell in line.split("|")[1:-1]] for line in text.splitlines() if "at once, 1 thread" in line
    ]
    assert rows[0][:2] == ["dlrun, 2 at once, 1 thread each", "1,800"]
    assert rows[1][3:5] == ["4.50 times as fast", "0.9000"]
