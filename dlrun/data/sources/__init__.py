"""The sources, one file each, and their registry."""

from dlrun.data.sources.base import Source
from dlrun.registry import Registry

SOURCES: Registry[Source] = Registry(
    "source",
    {
        "breast_cancer": "sklearn_sets:BreastCancer",
        "cifar10": "cifar10:Cifar10",
        "csv": "csv:Csv",
        "diabetes": "sklearn_sets:Diabetes",
        "digits": "sklearn_sets:Digits",
        "etth1": "etth1:Etth1",
        "fashion_mnist": "fashion_mnist:FashionMnist",
        "image_folder": "image_folder:ImageFolder",
        "iris": "sklearn_sets:Iris",
        "mnist": "mnist:Mnist",
        "movielens_100k": "movielens_100k:Movielens100k",
        "multi30k": "multi30k:Multi30k",
        "nab": "nab:Nab",
        "names": "text_sets:Names",
        "npy": "npy:Npy",
        "npz": "npz:Npz",
        "parallel_text": "parallel_text:ParallelText",
        "parquet": "parquet:Parquet",
        "rt_polarity": "text_sets:RtPolarity",
        "synthetic": "synthetic:Synthetic",
        "text": "text:Text",
        "tiny_shakespeare": "text_sets:TinyShakespeare",
        "wine": "sklearn_sets:Wine",
    },
    package=__name__,
)


def __getattr__(name: str) -> type[Source]:
    return SOURCES.attribute(name)
