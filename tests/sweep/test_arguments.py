"""Values on the command line and in the `sweep` section: what they mean, and where mistakes are shown."""

import re

import pytest

from dlrun.config.overrides import parse_override
from dlrun.config.problems import LocatedConfigError
from dlrun.errors import UsageError
from dlrun.sweep.arguments import read_argument, read_arguments
from dlrun.sweep.definition import read_sweep
from dlrun.sweep.space import Range, Values
from tests.sweep.sweeps import LINE


def options(text):
    parameter = read_argument(text, 1)
    assert isinstance(parameter.domain, Values)
    return list(parameter.domain.options)


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("a.b=1,2.5,x", ["1", "2.5", "x"]),
        ("a=1e-3,0.01", ["0.001", "0.01"]),
        ("a=[1, 2],[3]", ["[1, 2]", "[3]"]),
        ("a={type: x, b: 1},z", ["{type: x, b: 1}", "z"]),
        ("a='x,y',z", ['"x,y"', "z"]),
        ("a=choice(adam, sgd)", ["adam", "sgd"]),
        ("a=choice(adam)", ["adam"]),
        ("a=true,1,1.0", ["true", "1", "1.0"]),
        ("a=null,0.5", ["null", "0.5"]),
    ],
)
def test_lists(text, values):
    assert options(text) == values


@pytest.mark.parametrize("text", ["a=1", "a=[1, 2]", "a={b: 1, c: 2}", "a='x,y'", "a=log", "a", "a=f(x)"])
def test_other_overrides_stay_what_they_are(text):
    assert read_argument(text, 1) is None


@pytest.mark.parametrize(
    ("text", "domain"),
    [
        ("a=log(1e-4,1e-1)", Range("log", 1e-4, 1e-1)),
        ("a=uniform(0, 0.5)", Range("uniform", 0, 0.5)),
        ("a=int(8,64,8)", Range("int", 8, 64, 8)),
        ("a=int(1,3)", Range("int", 1, 3)),
    ],
)
def test_ranges(text, domain):
    assert read_argument(text, 1).domain == domain


@pytest.mark.parametrize(
    ("text", "column", "message"),
    [
        ("a=1,,2", 5, "a value is missing here"),
        ("a=1,", 5, "a value is missing here"),
        ("a=1,2,1", 7, "the value 1 stands here twice"),
        ("a=log(0,1)", 3, "begins above 0"),
        ("a=uniform(2,1)", 3, "must ascend"),
        ("a=int(1,2.5)", 9, "int takes whole numbers, got the number 2.5"),
        ("a=int(1,8,2)", 3, "make it 7"),
        ("a=log(1)", 3, "log takes 2 numbers, got 1"),
        ("a=lg(1e-4,1)", 3, "there is no range 'lg'"),
        ("a=loguniform(1e-4,1)", 3, "there is no range 'loguniform'"),
        ("a=Choice(a,b)", 3, "there is no range 'Choice'"),
        ("a=log(x,1)", 7, "log takes numbers, got the string 'x'"),
        ("a[=1,2", 2, "malformed"),
        ("a=[1,2", 7, "','"),
        ("extends=a,b", 1, "can't be varied"),
    ],
)
def test_mistakes_are_shown_where_they_are(text, column, message):
    with pytest.raises(LocatedConfigError) as raised:
        [parse_override(each) for each in read_arguments([text]).overrides]  # plain ones are read when they are applied
    (one,) = raised.value.located
    assert message in one.problem.message
    assert one.span.column == column


def sweep_of(tmp_path, section, *arguments, **settings):
    path = tmp_path / "line.yaml"
    path.write_text(LINE + section)
    return read_sweep(path, arguments, settings)


SECTION = """
sweep:
  parameters:
    optimizer.type: [sgd, adam]
    optimizer.momentum: {type: uniform, low: 0, high: 0.9, when: {optimizer.type: sgd}}
    model.layers[0].units: int(2, 8, 2)
    optimizer.learning_rate: {type: choice, values: [0.1, 0.2]}
  trials: 7
"""


def test_a_section_is_the_same_as_arguments(tmp_path):
    sweep = sweep_of(tmp_path, SECTION)
    assert [each.name for each in sweep.space.parameters] == [
        "optimizer.type", "optimizer.momentum", "model.layers[0].units", "optimizer.learning_rate"
    ]  # fmt: skip
    assert sweep.space["model.layers[0].units"].domain == Range("int", 2, 8, 2)
    assert (sweep.sampler, sweep.trials) == ("tpe", 7)
    names = {tuple(each) for each in sweep.combinations()}
    with_momentum = ("optimizer.type", "optimizer.momentum", "model.layers[0].units", "optimizer.learning_rate")
    assert names == {with_momentum, tuple(name for name in with_momentum if name != "optimizer.momentum")}


def test_the_written_definition_is_the_same_sweep(tmp_path):
    sweep = sweep_of(tmp_path, SECTION)
    path = tmp_path / "sweep.yaml"
    path.write_text(sweep.to_yaml())
    again = read_sweep(path, (), {})
    assert again.to_yaml() == sweep.to_yaml()
    assert list(again.combinations()) == list(sweep.combinations())
    configs = [[each.config_of(a).text for a in each.combinations()] for each in (sweep, again)]
    assert configs[0] == configs[1]


def test_the_command_line_goes_before_the_section(tmp_path):
    sweep = sweep_of(tmp_path, SECTION, "optimizer.type=adam", "optimizer.momentum=null,0.5", trials=3, sampler="grid")
    assert [each.name for each in sweep.space.parameters] == [
        "model.layers[0].units", "optimizer.learning_rate", "optimizer.momentum"
    ]  # fmt: skip
    assert (sweep.grid_size, sweep.trials) == (16, 3)
    with pytest.raises(LocatedConfigError, match=r"depends on optimizer\.type, which doesn't vary"):
        sweep_of(tmp_path, SECTION, "optimizer.type=adam")


@pytest.mark.parametrize(
    ("section", "place", "message"),
    [
        ("sweep: {parameters: {a: 5}}", "5", "expected values or a range"),
        ("sweep: {parameters: {a: sgd}}", "sgd", "expected values or a range"),
        ("sweep: {parameters: {a: []}}", "[", "a has no values"),
        ("sweep: {parameters: {a: [1, 1]}}", "1]", "stands here twice"),
        ("sweep:\n  parameters:\n    a: log(1, x)", "x)", "got the string 'x'"),
        ("sweep:\n  parameters:\n    a: 'log(1, x)'", "x)", "got the string 'x'"),
        ("sweep: {parameters: {a: {type: logg, low: 1, high: 2}}}", "logg", "unknown parameter 'logg'"),
        ("sweep: {parameters: {a: {type: log, low: 3, high: 2}}}", "{type", "the range must ascend"),
        ("sweep: {parameters: {a: [1, 2]}, sampler: tpx}", "tpx", "sampler"),
        ("sweep: {parametres: {a: [1, 2]}}", "{a", "unknown field 'parametres'"),
        ("sweep: {parameters: {a: {type: choice, values: [1], when: {b: 1}}}}", "b:", "no parameter before this one"),
        ("sweep: {parameters: {b: [1], a: {type: choice, values: [1], when: {b: 2}}}}", "2}", "'b' never is 2"),
        ("sweep: {parameters: {'b[': [1]}}", "'b[", "malformed"),
    ],
)
def test_mistakes_in_a_section_are_shown_where_they_are(tmp_path, section, place, message):
    with pytest.raises(LocatedConfigError) as raised:
        sweep_of(tmp_path, section)
    (one,) = raised.value.located
    assert message in one.problem.message
    line = one.span.source.lines[one.span.line - 1]
    assert line[one.span.column - 1 :].startswith(place), line[one.span.column - 1 :]


@pytest.mark.parametrize(
    ("arguments", "settings", "message"),
    [
        ((), {}, "nothing varies"),
        (("optimizer.learning_rate=log(1e-4,1)",), {}, "how many trials"),
        (("optimizer.learning_rate=log(1e-4,1)",), {"sampler": "grid"}, "a grid can't list every value"),
        (("optimizer.learning_rate=1,2",), {"sampler": "random"}, "how many trials"),
        (("training.epochs=1,2", "training.epochs=3,4"), {}, "varied twice"),
    ],
)
def test_what_makes_no_sweep(tmp_path, arguments, settings, message):
    with pytest.raises((UsageError, LocatedConfigError), match=re.escape(message)):
        sweep_of(tmp_path, "", *arguments, **settings)


def test_mixed_values_and_ranges_need_trials_alone(tmp_path):
    sweep = sweep_of(tmp_path, "", "optimizer.learning_rate=log(1e-4,1)", "optimizer.type=sgd,adam", trials=4)
    assert sweep.sampler == "tpe"
    corners = list(sweep.combinations())
    assert {each["optimizer.learning_rate"] for each in corners} == {1e-4, 1.0}
    assert len(corners) == 4
