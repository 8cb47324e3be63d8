"""The transforms, one file each, and their registry."""

from dlrun.data.transforms.add_noise import AddNoise
from dlrun.data.transforms.base import Transform
from dlrun.data.transforms.calendar import Calendar
from dlrun.data.transforms.categories import Categories
from dlrun.data.transforms.clip import Clip
from dlrun.data.transforms.impute import Impute
from dlrun.data.transforms.log1p import Log1p
from dlrun.data.transforms.min_max import MinMax
from dlrun.data.transforms.one_hot import OneHot
from dlrun.data.transforms.pad import Pad
from dlrun.data.transforms.rescale import Rescale
from dlrun.data.transforms.reshape import Reshape
from dlrun.data.transforms.resize import Resize
from dlrun.data.transforms.standardize import Standardize
from dlrun.data.transforms.to_grey import ToGrey
from dlrun.data.transforms.tokenize import Tokenize
from dlrun.data.transforms.window import Window
from dlrun.registry import Registry

TRANSFORMS: Registry[Transform] = Registry(
    "transform",
    (
        AddNoise,
        Calendar,
        Categories,
        Clip,
        Impute,
        Log1p,
        MinMax,
        OneHot,
        Pad,
        Rescale,
        Reshape,
        Resize,
        Standardize,
        ToGrey,
        Tokenize,
        Window,
    ),
    synonyms={"standardise": "standardize", "to_gray": "to_grey", "normalize": "standardize"},
)
