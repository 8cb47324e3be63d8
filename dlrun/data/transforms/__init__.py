"""The transforms, one file each, and their registry."""

from dlrun.data.transforms.base import Transform
from dlrun.registry import Registry

TRANSFORMS: Registry[Transform] = Registry(
    "transform",
    {
        "add_noise": "add_noise:AddNoise",
        "calendar": "calendar:Calendar",
        "categories": "categories:Categories",
        "clip": "clip:Clip",
        "impute": "impute:Impute",
        "log1p": "log1p:Log1p",
        "min_max": "min_max:MinMax",
        "one_hot": "one_hot:OneHot",
        "pad": "pad:Pad",
        "rescale": "rescale:Rescale",
        "reshape": "reshape:Reshape",
        "resize": "resize:Resize",
        "standardize": "standardize:Standardize",
        "to_grey": "to_grey:ToGrey",
        "tokenize": "tokenize:Tokenize",
        "window": "window:Window",
    },
    synonyms={"standardise": "standardize", "to_gray": "to_grey", "normalize": "standardize"},
    package=__name__,
)


def __getattr__(name: str) -> type[Transform]:
    return TRANSFORMS.attribute(name)
