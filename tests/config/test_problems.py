"""How problems are printed: the contract of the config language's page."""

from __future__ import annotations

import pytest

from dlrun.config.problems import Located, LocatedConfigError, nearest, path_text, suggestion
from dlrun.config.source import Source, Span
from dlrun.errors import Problem

LINES = ["", "    - {type: dense, units: -5, activation: relu}", "", "optimizer: {type: adamm, learning_rate: 1e-3}"]


def located(span: Span, message: str = "wrong", help: str | None = None) -> Located:
    return Located(Problem((), message, help), span)


def test_as_the_page_shows_it() -> None:
    source = Source("configs/mnist.yaml", "\n" * 12 + "\n".join(LINES))
    first = located(
        Span(source, 14, 28, 2),
        "model.layers[2].units must be greater than 0, got -5",
        "'units' is the number of output features",
    )
    second = located(
        Span(source, 16, 19, 5),
        "unknown optimizer 'adamm'",
        suggestion("adamm", ["sgd", "adam", "adamw", "rmsprop", "adagrad"]),
    )
    assert LocatedConfigError([second, first], "configs/mnist.yaml").render() == (
        "configs/mnist.yaml:14:28: error: model.layers[2].units must be greater than 0, got -5\n"
        "  14 |     - {type: dense, units: -5, activation: relu}\n"
        "     |                            ^^\n"
        "  help: 'units' is the number of output features\n"
        "configs/mnist.yaml:16:19: error: unknown optimizer 'adamm'\n"
        "  16 | optimizer: {type: adamm, learning_rate: 1e-3}\n"
        "     |                   ^^^^^\n"
        "  help: did you mean 'adam'? one of: adagrad, adam, adamw, rmsprop, sgd\n"
        "2 problems in configs/mnist.yaml"
    )


def test_order_and_repetition() -> None:
    file, base, override = Source("c", "a\nb"), Source("base", "a", -1), Source("override", "a=1", 2)
    problems = [
        located(Span(override, 1, 3), "o"), located(Span(base, 1, 1), "b"), located(Span(file, 2, 1), "f2"),
        located(Span(file, 1, 1), "f1"), located(Span(file, 2, 1), "f2"),
    ]  # fmt: skip
    error = LocatedConfigError(problems, "c")
    assert [problem.message for problem in error.problems] == ["f1", "f2", "b", "o"]
    assert error.render().endswith("\n4 problems in c")


def test_a_whole_file_has_no_line() -> None:
    error = LocatedConfigError([located(Span(Source("c", ""), 0, 0), "the config is empty")], "c")
    assert error.render() == "c: error: the config is empty\n1 problem in c"


def picture(line: str, column: int, under: int, width: int = 160) -> list[str]:
    """The source line and the carets, from behind the gutter."""
    error = LocatedConfigError([located(Span(Source("c", line), 1, column, under))], "c")
    return [text[6:] for text in error.render(width).splitlines()[1:3]]


@pytest.mark.parametrize(
    ("line", "column", "under", "expected"),
    [
        ("\ta: b", 5, 1, ["    a: b", "       ^"]),
        ("a:\tb\tc", 4, 3, ["a:    b    c", "      ^^^^^^"]),
        ("名: b", 4, 1, ["名: b", "    ^"]),
        ("a: 名前", 4, 2, ["a: 名前", "   ^^^^"]),
        ("e\u0301: b", 5, 1, ["e\u0301: b", "   ^"]),
        ("a: 🙂x", 5, 1, ["a: 🙂x", "     ^"]),
        ("a: \x07x", 5, 1, ["a: �x", "    ^"]),
        ("a: b", 40, 3, ["a: b", "    ^"]),
        ("a: b", 4, 99, ["a: b", "   ^"]),
    ],
)
def test_carets_stand_under_the_value(line: str, column: int, under: int, expected: list[str]) -> None:
    assert picture(line, column, under) == expected


def test_long_lines_are_cut_around_the_carets() -> None:
    line = "a" * 100 + "VALUE" + "b" * 100
    shown, carets = picture(line, 101, 5, width=46)
    assert len(shown) <= 40
    assert shown.startswith("…a")
    assert shown.endswith("b…")
    assert shown[carets.index("^") : carets.rindex("^") + 1] == "VALUE"


@pytest.mark.parametrize(("start", "marked"), [(1, "0123"), (197, "6789")])
def test_cuts_at_the_ends_of_a_line(start: int, marked: str) -> None:
    shown, carets = picture("0123456789" * 20, start, 4, width=46)
    assert len(shown) <= 40
    assert shown[carets.index("^") : carets.rindex("^") + 1] == marked


def test_a_value_longer_than_the_window() -> None:
    shown, carets = picture("x: " + "v" * 300, 4, 300, width=46)
    assert len(shown) <= 40
    assert len(carets) <= len(shown)
    assert carets.count("^") >= 30


def test_colours_change_nothing_but_colours() -> None:
    error = LocatedConfigError([located(Span(Source("c", "a: [b]"), 1, 4, 3), "no [b]", "try [c]")], "c")
    assert error.render_rich().plain == error.render()


@pytest.mark.parametrize(
    ("name", "options", "expected"),
    [
        ("adamm", ["adam", "adamw", "sgd"], "adam"),
        ("Adam", ["adam", "adamw"], "adam"),
        ("batch", ["batch_size", "epochs"], "batch_size"),
        ("MAE", ["mae", "mse"], "mae"),
        ("zzz", ["adam"], None),
        ("x", [], None),
    ],
)
def test_nearest(name: str, options: list[str], expected: str | None) -> None:
    assert nearest(name, options) == expected


def test_paths() -> None:
    assert path_text(("model", "layers", 2, "layers", 0, "units")) == "model.layers[2].layers[0].units"
    assert path_text(()) == "the config"
