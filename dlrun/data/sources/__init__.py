"""The sources, one file each, and their registry."""

from dlrun.data.sources.base import Source
from dlrun.data.sources.cifar10 import Cifar10
from dlrun.data.sources.csv import Csv
from dlrun.data.sources.etth1 import Etth1
from dlrun.data.sources.fashion_mnist import FashionMnist
from dlrun.data.sources.image_folder import ImageFolder
from dlrun.data.sources.mnist import Mnist
from dlrun.data.sources.movielens_100k import Movielens100k
from dlrun.data.sources.multi30k import Multi30k
from dlrun.data.sources.nab import Nab
from dlrun.data.sources.npy import Npy
from dlrun.data.sources.npz import Npz
from dlrun.data.sources.parallel_text import ParallelText
from dlrun.data.sources.parquet import Parquet
from dlrun.data.sources.sklearn_sets import BreastCancer, Diabetes, Digits, Iris, Wine
from dlrun.data.sources.synthetic import Synthetic
from dlrun.data.sources.text import Text
from dlrun.data.sources.text_sets import Names, RtPolarity, TinyShakespeare
from dlrun.registry import Registry

SOURCES: Registry[Source] = Registry(
    "source",
    (
        BreastCancer,
        Cifar10,
        Csv,
        Diabetes,
        Digits,
        Etth1,
        FashionMnist,
        ImageFolder,
        Iris,
        Mnist,
        Nab,
        Movielens100k,
        Multi30k,
        Names,
        Npy,
        Npz,
        ParallelText,
        Parquet,
        RtPolarity,
        Synthetic,
        Text,
        TinyShakespeare,
        Wine,
    ),
)
