"""Normalisation and validation, on a language of the tests' own: values, places and messages."""

from __future__ import annotations

import pytest

from dlrun.registry import Component
from tests.config.zoo import Cat, Constant, Fish, Keeper, Stone, Zeros, load_zoo, zoo_report


def cat(fields: str) -> Cat:
    found = load_zoo(f"animals: [{{type: cat, lives: 9, {fields}}}]").animals[0]
    assert isinstance(found, Cat)
    return found


def fish(fields: str) -> Fish:
    found = load_zoo(f"animals: [{{type: fish, {fields}}}]").animals[0]
    assert isinstance(found, Fish)
    return found


def test_bare_names_and_synonyms() -> None:
    zoo = load_zoo("animals: [stone, Fish, {type: feline, lives: 3, start: zeros, end: constant}]\nstar: fish")
    assert zoo.animals == (Stone(), Fish(), Cat(lives=3, end=Constant()))
    assert zoo.star == Fish()


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ("lr: 2", 2.0),
        ("speed: 2", 2.0),
        ("speed: 1e-3", 1e-3),
    ],
)
def test_aliases(fields: str, expected: float) -> None:
    assert cat(fields).speed == expected
    assert isinstance(cat(fields).speed, float)


def test_aliases_of_several_fields_and_inherited_ones() -> None:
    assert fish("betas: [0.9, 0.1], lr: 3") == Fish(beta_1=0.9, beta_2=0.1, speed=3.0)


def test_unions_take_lists_as_tuples() -> None:
    assert cat("naps: 5").naps == 5
    assert cat("naps: [1, 2]").naps == (1, 2)
    assert fish("scales: [[1, 2], [3, 4]]").scales == ((1, 2), (3, 4))
    assert load_zoo("animals: [stone]\nextra: [a, b]").extra == ["a", "b"]


def test_components_inside_components() -> None:
    expected: tuple[Component, ...] = (Fish(friends=(Stone(),)), Stone())
    assert fish("friends: [{type: fish, friends: [stone]}, stone]").friends == expected


def test_null_and_nested_components() -> None:
    assert cat("end: null, start: {type: constant, value: 3}") == Cat(lives=9, start=Constant(value=3.0))
    assert cat("start: zeros").start == Zeros()


def test_bare_fields_and_tables() -> None:
    assert load_zoo("animals: [stone]\nkeeper: Ann").keeper == Keeper(name="Ann")
    assert load_zoo("animals: [stone]\nkeepers: {name: Ann}").keepers == Keeper(name="Ann")
    zoo = load_zoo("animals: [stone]\nkeepers: {a: {name: Ann}, b: {name: Bob, shifts: {no: [1], 2: []}}}")
    assert zoo.keepers == {"a": Keeper(name="Ann"), "b": Keeper(name="Bob", shifts={"no": (1,), "2": ()})}
    assert load_zoo("animals: [stone]\nprices: {1: 2, 3: 4.5}").prices == {1: 2.0, 3: 4.5}


def test_an_override_wins_over_another_name_of_its_field() -> None:
    text = "animals: [{type: fish, speed: 1, betas: [0.9, 0.1]}]"
    zoo = load_zoo(text, "animals[0].lr=5", "animals[0].beta_1=0.8")
    assert zoo.animals[0] == Fish(speed=5.0, beta_1=0.8, beta_2=0.1)


UNITS = "animals: [{type: cat, lives: %s}]"


@pytest.mark.parametrize(
    ("text", "place", "message", "under"),
    [
        # kinds of values: nothing is converted silently
        (UNITS % "'5'", "1:30", "animals[0].lives: expected an integer, got the string '5'", "'5'"),
        (UNITS % "true", "1:30", "animals[0].lives: expected an integer, got true", "true"),
        (UNITS % "3.0", "1:30", "animals[0].lives: expected an integer, got the number 3.0", "3.0"),
        (UNITS % "null", "1:30", "animals[0].lives: expected an integer, got null", "null"),
        (UNITS % "[1]", "1:30", "animals[0].lives: expected an integer, got a list", "[1]"),
        (UNITS % "{a: 1}", "1:30", "animals[0].lives: expected an integer, got a mapping", "{a: 1}"),
        ("animals: [{type: fish, wet: 1}]", "1:29", "animals[0].wet: expected true or false, got the number 1", "1"),
        ("animals: [{type: fish, wet: yes}]", "1:29",
         "animals[0].wet: expected true or false, got the string 'yes'", "yes"),
        ("animals: [{type: fish, speed: x}]", "1:31", "animals[0].speed: expected a number, got the string 'x'", "x"),
        ("animals: [{type: fish, speed: true}]", "1:31", "animals[0].speed: expected a number, got true", "true"),
        ("animals: [stone]\nlabel: 5", "2:8", "label: expected a string, got the number 5", "5"),
        ("animals: [stone]\nextra: a", "2:8", "extra: expected a list, got the string 'a'", "a"),
        ("animals: [stone]\nextra: [a, 1]", "2:12", "extra[1]: expected a string, got the number 1", "1"),
        ("animals: [stone]\nkeeper: [a]", "2:9", "keeper: expected a mapping, got a list", "[a]"),
        ("animals: stone", "1:10", "animals: expected a list, got the string 'stone'", "stone"),
        ("animals: {a: 1}", "1:10", "animals: expected a list, got a mapping", "{a: 1}"),
        ("animals: [stone]\nprices: {a: 1}", "2:10", "prices: expected an integer as a key, got 'a'", "a"),
        ("animals: [stone]\nlabel: 1e-7", "2:8", "label: expected a string, got the number 1e-7", "1e-7"),
        ("prices: {1: &x 1e-7}\nanimals: [stone]\nlabel: *x", "3:8",
         "label: expected a string, got the number 1.0e-07", "*x"),
        # bounds
        (UNITS % "0", "1:30", "animals[0].lives must be greater than 0, got 0", "0"),
        (UNITS % "10", "1:30", "animals[0].lives must be less than 10, got 10", "10"),
        ("animals: [{type: cat, lives: 1, start: {type: constant, value: 11}}]", "1:64",
         "animals[0].start.value must be at most 10, got 11", "11"),
        ("animals: [stone]\nratio: .inf", "2:8", "ratio must be a finite number, got .inf", ".inf"),
        ("animals: []", "1:10", "animals must have at least 1 item, got 0", "[]"),
        ("animals: [{type: fish, scales: [[1, 1], [1, 1], [1, 1]]}]", "1:32",
         "animals[0].scales must have at most 2 items, got 3", "[[1, 1], [1, 1], [1, 1]]"),
        ("animals: [stone]\nkeeper: ''", "2:9", "keeper.name must not be empty", "''"),
        # alternatives
        ("animals: [{type: cat, lives: 1, naps: x}]", "1:39",
         "animals[0].naps: expected an integer or a list, got the string 'x'", "x"),
        ("animals: [{type: cat, lives: 1, naps: [1, x]}]", "1:43",
         "animals[0].naps[1]: expected an integer, got the string 'x'", "x"),
        ("animals: [{type: cat, lives: 1, naps: [1]}]", "1:39", "animals[0].naps must have 2 items, got 1", "[1]"),
        ("animals: [{type: cat, lives: 1, naps: [1, 2, 3]}]", "1:39",
         "animals[0].naps must have at most 2 items, got 3", "[1, 2, 3]"),
        ("animals: [stone]\nsize: -1", "2:7", "size must be greater than 0, got -1", "-1"),
        ("animals: [stone]\nsize: ful", "2:7", "size must be 'full' or an integer, got 'ful'", "ful"),
        ("animals: [stone]\nsize: 1.5", "2:7", "size: expected 'full' or an integer, got the number 1.5", "1.5"),
        ("animals: [{type: cat, lives: 1, mood: cros}]", "1:39",
         "animals[0].mood must be 'calm' or 'cross', got 'cros'", "cros"),
        ("animals: [{type: cat, lives: 1, mood: 3}]", "1:39",
         "animals[0].mood: expected 'calm' or 'cross', got the number 3", "3"),
        # components
        ("animals: [stoone]", "1:11", "unknown animal 'stoone'", "stoone"),
        ("animals: [{type: stoone}]", "1:18", "unknown animal 'stoone'", "stoone"),
        ("animals: [{type: [a]}]", "1:18", "animals[0].type: expected the name of an animal, got a list", "[a]"),
        ("animals: [{lives: 3}]", "1:11", "animals[0] has no 'type'", "{lives: 3}"),
        ("animals: [3]", "1:11", "animals[0]: expected an animal, got the number 3", "3"),
        ("animals: [null]", "1:11", "animals[0]: expected an animal, got null", "null"),
        ("animals: [{type: cat, lives: 1, start: 5}]", "1:40",
         "animals[0].start: expected an initializer, got the number 5", "5"),
        ("animals: [{type: cat, lives: 1, end: 5}]", "1:38",
         "animals[0].end: expected an initializer, got the number 5", "5"),
        ("animals: [{type: cat, lives: 1, end: zero}]", "1:38", "unknown initializer 'zero'", "zero"),
        ("animals: [{type: fish, friends: [{type: fish, friends: [{type: cat}]}]}]", "1:57",
         "cat needs 'lives'", "{type: cat}"),
        # fields
        ("animals: [cat]", "1:11", "cat needs 'lives'", "cat"),
        ("animals:\n  - type: cat  # it has lives\n    mood: calm", "2:5", "cat needs 'lives'", "type: cat"),
        ("size: 3", "1:1", "the config needs 'animals'", "size: 3"),
        ("animals: [{type: fish, wett: true}]", "1:24", "unknown field 'wett' of fish", "wett"),
        ("animals: [stone]\nsizes: 3", "2:1", "unknown field 'sizes' of the config", "sizes"),
        ("animals: [stone]\nkeeper: {name: a, shift: 3}", "2:19", "unknown field 'shift' of keeper", "shift"),
        # several names of one field
        ("animals: [{type: fish, lr: 1, speed: 2}]", "1:31",
         "animals[0].speed is given twice, under two names", "speed"),
        ("animals: [{type: fish, beta_2: 1, betas: [1, 1]}]", "1:35",
         "animals[0].beta_2 is given twice, under two names", "betas"),
        ("animals: [{type: fish, betas: 0.5}]", "1:31",
         "animals[0].betas: expected a list of 2 (beta_1, beta_2), got the number 0.5", "0.5"),
        # a component's own rules
        ("animals: [{type: fish, beta_2: 0.75}]", "1:11",
         "animals[0]: beta_2 must not exceed beta_1", "{type: fish, beta_2: 0.75}"),
        ("animals: [stone]\nkeeper: robot", "2:9", "keeper.name: a robot can't keep animals", "robot"),
    ],
)  # fmt: skip
def test_mistakes(text: str, place: str, message: str, under: str) -> None:
    first, line, carets, *rest = zoo_report(text)
    assert first == f"zoo.yaml:{place}: error: {message}"
    assert line[carets.index("^") : carets.rindex("^") + 1] == under
    assert len(rest) <= 1, "another problem was reported"


@pytest.mark.parametrize(
    ("text", "help"),
    [
        ("animals: [cat]", "'lives' is the number of lives that are left"),
        (UNITS % "0", "'lives' is the number of lives that are left"),
        ("animals: [{type: fish, speed: 0}]", "'speed' is the speed in metres a second"),
        ("animals: [{type: cat, lives: 1, end: [1]}]", "write its name, or {type: name, ...}; one of: constant, zeros"),
        ("animals: [stoone]", "did you mean 'stone'? one of: cat, fish, stone"),
        ("animals: [felin]", "did you mean 'cat'? one of: cat, fish, stone"),
        ("animals: [{lives: 1}]", "one of: cat, fish, stone"),
        ("animals: [stone]\nsize: ful", "did you mean 'full'? one of: full"),
        ("animals: [{type: stone, wet: true}]", "it has no fields"),
        ("animals: [{type: cat, live: 1, lives: 2}]",
         "did you mean 'lives'? one of: end, lives, mood, name, naps, speed, start"),
        ("animals: [{type: fish, lr: 1, speed: 2}]", "the other one stands in line 1"),
    ],
)  # fmt: skip
def test_help(text: str, help: str) -> None:
    assert zoo_report(text)[-1] == f"  help: {help}"


def test_a_misspelt_required_field_is_one_problem() -> None:
    assert len([line for line in zoo_report("animals: [{type: cat, live: 1}]") if "error" in line]) == 1


def test_no_mistake_hides_another() -> None:
    text = """\
animals:
  - {type: cat, lives: -5, mood: bad}
  - {type: cats, lives: 1}
  - {type: fish, frends: [], friends: [{type: cat, lives: x}, stoone]}
  - {type: fish, beta_2: 9}
  - cat
star: {type: cat, lives: 1, start: {type: constant, value: 99, valu: 1}}
keeper: {nam: a}
keepers: {a: {name: 1}, b: {name: ''}}
size: 0
prices: {1: x}
prices: {}
"""
    places = [line.split(": error")[0] for line in zoo_report(text) if line.startswith("zoo.yaml")]
    assert places == [
        "zoo.yaml:2:24", "zoo.yaml:2:34", "zoo.yaml:3:12", "zoo.yaml:4:18", "zoo.yaml:4:59", "zoo.yaml:4:63",
        "zoo.yaml:5:5", "zoo.yaml:6:5", "zoo.yaml:7:60", "zoo.yaml:7:64", "zoo.yaml:8:10", "zoo.yaml:9:21",
        "zoo.yaml:9:35", "zoo.yaml:10:7", "zoo.yaml:11:13", "zoo.yaml:12:1",
    ]  # fmt: skip


def test_aliases_keep_their_places() -> None:
    (first, line, carets, _) = zoo_report("animals: [{type: fish, lr: -1}]")
    assert first == "zoo.yaml:1:28: error: animals[0].speed must be greater than 0, got -1"
    assert line[carets.index("^") :].startswith("-1")


def test_overridden_values_are_shown_in_the_override() -> None:
    lines = zoo_report("animals: [{type: cat, lives: 3}]", "animals[0].lives=30")
    assert lines[:3] == [
        "override:1:18: error: animals[0].lives must be less than 10, got 30",
        "  1 | animals[0].lives=30",
        "    |                  ^^",
    ]
