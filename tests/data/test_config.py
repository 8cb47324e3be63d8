import pytest
from pydantic import ValidationError

from dlrun.config.docs import field_text
from dlrun.data.config import DataConfig, TargetConfig
from dlrun.data.sources import SOURCES
from dlrun.data.transforms import TRANSFORMS
from tests.data.making import data_config


def test_bare_names_and_mappings() -> None:
    config = data_config(source="mnist", inputs={"image": {"transforms": ["standardize", {"type": "to_gray"}]}})
    assert config.source.type == "mnist"
    assert [step.type for step in config.inputs["image"].transforms] == ["standardize", "to_grey"]


def test_dump_is_whole_and_reads_back() -> None:
    config = data_config(
        source={"type": "csv", "path": "a.csv"},
        inputs={"x": {"columns": ["a"], "transforms": [{"type": "rescale", "source_range": [0, 4]}]}},
        target={"first": {"column": "b"}, "second": {"columns": ["c", "d"]}},
        split={"validation": 0.1, "test": 20},
    )
    dumped = config.model_dump(mode="json")
    assert dumped["source"]["path"] == "a.csv"
    assert dumped["inputs"]["x"]["transforms"][0]["source_range"] == [0.0, 4.0]
    assert DataConfig.model_validate(dumped) == config


def test_one_target_or_several() -> None:
    assert data_config(source="iris", target={"column": "a"}).targets == {"target": TargetConfig(column="a")}
    assert data_config(source="iris", target="a").targets == {"target": TargetConfig(column="a")}
    assert list(data_config(source="iris", target={"u": {"column": "a"}, "v": {"column": "b"}}).targets) == ["u", "v"]


@pytest.mark.parametrize(
    ("fields", "place"),
    [
        ({"source": "mnst"}, ("source",)),
        ({"source": {"type": "csv"}}, ("source", "path")),
        ({"source": {"type": "synthetic", "rows": 0}}, ("source", "rows")),
        ({"source": "mnist", "inputs": {"image": {"transforms": ["rescal"]}}}, ("inputs", "image", "transforms", 0)),
        (
            {"source": "mnist", "inputs": {"image": {"transforms": [{"type": "rescale", "maxmum": 1}]}}},
            ("inputs", "image", "transforms", 0, "maxmum"),
        ),
        ({"source": "mnist", "target": {"colum": "a"}}, ("target", "colum")),
        ({"source": "mnist", "target": {"a": {"colum": "a"}}}, ("target", "a", "colum")),
        ({"source": "mnist", "target": {"column": "a", "input": "b"}}, ("target",)),
        ({"source": "mnist", "split": {"validation": -0.1}}, ("split", "validation")),
        ({"source": "mnist", "split": {"validation": 1.5}}, ("split",)),
        ({"source": "mnist", "split": {"sort_by": "t"}}, ("split",)),
        ({"source": "mnist", "limit": 0}, ("limit",)),
    ],
)
def test_errors_stand_at_the_field(fields: dict, place: tuple) -> None:
    with pytest.raises(ValidationError) as caught:
        data_config(**fields)
    assert [error["loc"] for error in caught.value.errors()] == [place]


def test_unknown_component_names_the_choices() -> None:
    with pytest.raises(ValidationError) as caught:
        data_config(source={"type": "mnst"})
    (error,) = caught.value.errors()
    assert error["type"] == "unknown_component"
    assert error["loc"] == ("source", "type")
    assert error["ctx"] == {"kind": "source", "name": "mnst", "names": SOURCES.names}


@pytest.mark.parametrize("registry", [SOURCES, TRANSFORMS])
def test_every_component_and_field_is_documented(registry) -> None:
    for component in registry:
        assert component.__doc__, component
        for name in component.model_fields:
            assert name == "type" or field_text(component, name), f"{component.__name__}.{name}"
