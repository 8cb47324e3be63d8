"""The sources, one file each, and their registry."""

from dlrun.data.sources.base import Source
from dlrun.data.sources.csv import Csv
from dlrun.data.sources.fashion_mnist import FashionMnist
from dlrun.data.sources.mnist import Mnist
from dlrun.data.sources.synthetic import Synthetic
from dlrun.registry import Registry

SOURCES: Registry[Source] = Registry("source", (Csv, FashionMnist, Mnist, Synthetic))
