"""The section `data` of a config: where the rows come from and what becomes of them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from functools import cache
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import Field, TypeAdapter, WrapValidator, model_validator
from pydantic_core import PydanticCustomError

from dlrun.data.augment import AUGMENTATIONS
from dlrun.data.augment.base import Augmentation
from dlrun.data.dates import read_date
from dlrun.data.negatives import NegativesConfig
from dlrun.data.resample import ResampleConfig
from dlrun.data.sources import SOURCES
from dlrun.data.sources.base import Source
from dlrun.data.transforms import TRANSFORMS
from dlrun.data.transforms.base import Transform
from dlrun.data.transforms.window import Window, WindowConfig
from dlrun.errors import DataError
from dlrun.registry import ChosenBy, Spec

TransformList = tuple[Annotated[Transform, ChosenBy(TRANSFORMS)], ...]
Share = Annotated[float, Field(ge=0.0)]


class InputConfig(Spec):
    """One input of the network: some columns of the source, through some transforms."""

    columns: tuple[str, ...] | None = None
    """The source's columns. When left out: the column of the input's own name, or else all that nothing else uses."""
    transforms: TransformList | None = None
    """What the columns go through, in order. Images without any are rescaled from 0 .. 255 to 0 .. 1; `[]` is none."""


class TargetConfig(Spec):
    """What the network shall predict: a column, several columns, or one of its own inputs."""

    bare_field: ClassVar[str | None] = "column"

    column: str | None = None
    """The source's column: one class or one number a row."""
    columns: tuple[str, ...] | None = None
    """Several columns of numbers, predicted together."""
    input: str | None = None
    """An input that the network shall reproduce, as an autoencoder does."""
    shift: int = Field(default=0, ge=0)
    """For an input of tokens: which of them each position predicts, 0 its own, 1 the next, as a language model does."""
    kind: Literal["auto", "classes", "numbers"] = "auto"
    """What a column holds. "auto": text and truth values are classes, and so are whole numbers of at most 100
    different values to which no transform for numbers is applied."""
    transforms: TransformList = ()
    """For numbers: what they go through. Predictions are turned back into the column's own units."""

    @model_validator(mode="after")
    def _one_origin(self) -> Self:
        given = [name for name in ("column", "columns", "input") if getattr(self, name) is not None]
        if len(given) > 1:
            raise ValueError(f"a target is either a column, columns or an input, got {' and '.join(given)}")
        if self.input is not None and (self.transforms or self.kind != "auto"):
            raise ValueError("a target that is an input shares its transforms and has none of its own")
        if self.shift and self.input is None:
            raise ValueError("shift goes with an input: target: {input: text, shift: 1}")
        return self


class DatesConfig(Spec):
    """The dates at which parts of a chronological split begin, in ISO 8601: 2017-06-26, or 2017-06-26 12:00."""

    train: str | None = None
    """The first rows that train; all rows from the first on when left out."""
    validation: str | None = None
    """The first rows that validate."""
    test: str | None = None
    """The first rows that test."""
    end: str | None = None
    """The first rows that are not used any more; none when left out."""

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        try:
            dates = list(self.begins.values())
        except DataError as error:
            raise ValueError(error.message) from None
        if self.validation is None and self.test is None and self.end is None:
            raise ValueError("dates need that of validation, test or end, before which rows train")
        if dates != sorted(dates):
            raise ValueError("the dates of train, validation, test and end come one after the other")
        return self

    @property
    def begins(self) -> Mapping[str, datetime]:
        """The parts that have a date, in their order."""
        given = ((name, getattr(self, name)) for name in ("train", "validation", "test", "end"))
        return {name: read_date(date) for name, date in given if date is not None}


class SplitConfig(Spec):
    """How the rows are divided into those for training, validation and testing."""

    train: Share | None = None
    """For type chronological: the rows that train, the first ones, a fraction or a number of all rows. Validation and
    test rows follow them, as fractions or numbers of all rows too; what comes after these is not used."""
    validation: Share = 0.0
    """The rows that watch over training: a fraction below 1 of the training rows, or a number of rows."""
    test: Share | None = None
    """The rows that only `dlrun evaluate` uses: a fraction of all rows, or a number of rows. When left out: the test
    split that comes with the source, or none."""
    type: Literal["random", "stratified", "chronological", "given", "folds", "leave_last_out"] | None = None
    """How rows are chosen. "stratified" keeps the classes' proportions, "chronological" takes the last ones, "given"
    uses only what comes with the source, "folds" tests on one of several equal parts, as `dlrun cross-validate` does
    for each of them. "leave_last_out" tests on the last row of each group (or on the last `test` of them), the
    `validation` rows before these validate; a group that would have no row left trains with all it has. When left out:
    stratified for classes, random for numbers."""
    dates: DatesConfig | None = None
    """For type chronological with sort_by: the dates at which validation and test rows begin, in place of numbers."""
    sort_by: str | None = None
    """The column that orders the rows of a chronological split, forward folds, groups or a series; their order in the
    source when left out."""
    group: str | None = None
    """A column, such as a patient's number: rows that have the same value in it are never divided. For type
    leave_last_out that of the users, whose last rows test."""
    folds: int | None = Field(default=None, ge=2)
    """The number of folds: of the training rows, where the source comes with test rows, which are then left out. Each
    has the classes' proportions."""
    fold: int | None = Field(default=None, ge=1)
    """Which of the folds tests, from 1."""
    forward: bool = False
    """Whether a fold trains on the rows before it alone, as series need: the rows in their order make folds + 1 parts,
    fold 1 trains on the first and tests on the second."""

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        for name, share in (("train", self.train or 0.0), ("validation", self.validation), ("test", self.test or 0.0)):
            if share >= 1.0 and share != int(share):
                raise ValueError(f"{name} is a fraction below 1 or a whole number of rows, got {share:g}")
        self._check_dates()
        self._check_last_rows()
        if self.sort_by is not None and not (self.is_chronological or self.type == "leave_last_out"):
            raise ValueError("sort_by goes with type: chronological or leave_last_out")
        if self.group is not None and (self.is_chronological or self.type in ("stratified", "given")):
            raise ValueError("group goes with a random split or folds that are not forward")
        if self.train is not None and (self.type != "chronological" or not self.train):
            raise ValueError("train, more than 0 rows, goes with type: chronological")
        return self

    def _check_dates(self) -> None:
        if self.dates is None:
            return
        if self.type != "chronological" or self.sort_by is None:
            raise ValueError("dates go with type: chronological and sort_by, the column that holds them")
        if self.train is not None or self.validation or self.test is not None:
            raise ValueError("either dates divide the rows, or train, validation and test as numbers")

    def _check_last_rows(self) -> None:
        if self.type != "leave_last_out":
            return
        if self.group is None:
            raise ValueError("type: leave_last_out needs group, the column that says whose rows they are")
        for name, share in (("validation", self.validation), ("test", self.test or 0.0)):
            if share != int(share):
                raise ValueError(f"{name} is a number of each group's rows with leave_last_out, got {share:g}")

    @model_validator(mode="after")
    def _whole_fold(self) -> Self:
        if self.type != "folds":
            for name in ("folds", "fold", "forward"):
                if getattr(self, name):
                    raise ValueError(f"{name} goes with type: folds")
            return self
        if self.folds is None or self.fold is None:
            raise ValueError("type: folds needs folds, their number, and fold, which of them tests")
        if self.fold > self.folds:
            raise ValueError(f"there are {self.folds} folds, got fold {self.fold}")
        if self.test is not None:
            raise ValueError("the fold's rows are the test rows: leave test out")
        return self

    @property
    def validates(self) -> bool:
        """Whether rows are put aside for validation."""
        return self.validation > 0 or (self.dates is not None and self.dates.validation is not None)

    @property
    def is_chronological(self) -> bool:
        """Whether the rows' order decides."""
        return self.type == "chronological" or self.forward


def _one_or_several(value: Any, handler: Any) -> Any:
    """A target, or several by name: a mapping of mappings. Keeps the errors' places free of the union's tags."""
    if value is None or isinstance(value, TargetConfig):
        return value
    if isinstance(value, str):
        return TargetConfig(column=value)
    if not isinstance(value, Mapping):
        raise PydanticCustomError("target_expected", "a target is a column's name, or a mapping")
    if not value or not all(isinstance(target, Mapping | TargetConfig) for target in value.values()):
        return TargetConfig.model_validate(value)
    return _several().validate_python(value)


@cache
def _several() -> TypeAdapter[dict[str, TargetConfig]]:
    return TypeAdapter(dict[str, TargetConfig])


def _without_window(given: InputConfig) -> InputConfig:
    steps = None if given.transforms is None else tuple(s for s in given.transforms if not isinstance(s, Window))
    return given.model_copy(update={"transforms": steps})


class DataConfig(Spec):
    """The data of a run."""

    source: Annotated[Source, ChosenBy(SOURCES)]
    """Where the rows come from."""
    inputs: dict[str, InputConfig] | None = Field(default=None, min_length=1)
    """The network's inputs by name. When left out: one, "image" for images, "features" for columns of numbers, "window"
    for those of a series."""
    target: Annotated[TargetConfig | dict[str, TargetConfig] | None, WrapValidator(_one_or_several)] = None
    """What is to be predicted; several targets are a mapping from their names. When left out: the source's own."""
    window: WindowConfig | None = None
    """For a series: how its rows, in their order, become windows."""
    split: SplitConfig = SplitConfig()
    """How the rows are divided."""
    augment: tuple[Annotated[Augmentation, ChosenBy(AUGMENTATIONS)], ...] = ()
    """Random changes of the training images."""
    limit: int | None = Field(default=None, gt=0)
    """Train on only so many rows, drawn at random from the training rows; for quick tries. Of a series' windows the
    last ones."""
    resample: ResampleConfig | None = None
    """For classes of very different sizes: how often an epoch takes the rows of each. `class_weights` of the loss weigh
    them instead."""
    negatives: NegativesConfig | None = None
    """For rows that are choices, such as what somebody watched: items that weren't chosen are drawn beside them."""
    sample_weights: str | None = None
    """The column of numbers by which each row's loss is weighted."""
    cache: Literal["auto", "memory", "disk"] = "auto"
    """Where prepared data are kept: "auto" in the cache folder where that can be written, "memory" never on disk,
    "disk" always in the cache folder, for data larger than memory."""

    @model_validator(mode="after")
    def _one_window(self) -> Self:
        """The window among an input's transforms is that of the data."""
        found = [
            (name, step)
            for name, given in (self.inputs or {}).items()
            for step in given.transforms or ()
            if isinstance(step, Window)
        ]
        if not found:
            return self
        windows = [WindowConfig(length=step.length, horizon=step.horizon, stride=step.stride) for _, step in found]
        if any(window != windows[0] for window in [*windows, *([self.window] if self.window else [])]):
            raise ValueError(f"all inputs have the same window, that of {found[0][0]!r} is another")
        inputs = {name: _without_window(given) for name, given in (self.inputs or {}).items()}
        return self.model_copy(update={"inputs": inputs, "window": windows[0]})

    @property
    def targets(self) -> Mapping[str, TargetConfig]:
        """The targets by name; a single one is called "target". None are columns where negatives are drawn."""
        if isinstance(self.target, dict):
            return self.target
        if self.negatives is not None and self.target is None:
            return {}
        return {"target": self.target or TargetConfig()}
