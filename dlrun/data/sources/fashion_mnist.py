"""fashion_mnist: 70,000 pictures of clothes."""

from __future__ import annotations

from typing import ClassVar, Literal

from dlrun.data.sources.download import RemoteFile
from dlrun.data.sources.idx_images import IdxSource

MIRRORS = (
    "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
    "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion/",
)
SUMS = {
    "train-images-idx3-ubyte.gz": "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84",
    "train-labels-idx1-ubyte.gz": "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845",
    "t10k-images-idx3-ubyte.gz": "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073",
    "t10k-labels-idx1-ubyte.gz": "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5",
}


class FashionMnist(IdxSource):
    """70,000 grey images of clothes, 28x28, 10 classes; 60,000 for training, 10,000 for testing.

    H. Xiao, K. Rasul, R. Vollgraf, "Fashion-MNIST: a novel image dataset for benchmarking machine learning
    algorithms", arXiv:1708.07747 (2017).
    """

    type: Literal["fashion_mnist"] = "fashion_mnist"
    classes: ClassVar[tuple[str, ...]] = (
        "T-shirt/top",
        "Trouser",
        "Pullover",
        "Dress",
        "Coat",
        "Sandal",
        "Shirt",
        "Sneaker",
        "Bag",
        "Ankle boot",
    )
    remote: ClassVar[tuple[RemoteFile, ...]] = tuple(
        RemoteFile(name, sha256, tuple(mirror + name for mirror in MIRRORS)) for name, sha256 in SUMS.items()
    )
