"""Ids are compared with the embeddings' tables before training, and in predictions."""

import numpy as np
import pytest

from dlrun.compiler.graph import build_graph
from dlrun.data.dataset import Split
from dlrun.data.signature import Feature, Signature
from dlrun.errors import DataError
from dlrun.layers import Embedding
from dlrun.training.ids import check_ids


def check(ids, **feature):
    signature = Signature({"word": Feature("word", ids.shape[1:], str(ids.dtype), **feature)})
    graph = build_graph([Embedding(input_dim=7, output_dim=2, name="words")], [("model", "layers", 0)], signature)
    check_ids(graph, signature, Split({"word": ids}, {}, None, np.arange(len(ids))))


def test_ids_of_the_table_pass():
    check(np.arange(7, dtype=np.int32))
    check(np.arange(6, dtype=np.float32).reshape(2, 3))
    check(np.array([0, 60], np.uint8), scale=(0.1,))


@pytest.mark.parametrize(
    ("ids", "bad"),
    [(np.array([0, 7], np.int32), "7"), (np.array([[0, -1]], np.int32), "-1"), (np.array([0.5]), "0.5"),
     (np.array([np.nan, 1]), "nan")],
)  # fmt: skip
def test_others_are_named(ids, bad):
    with pytest.raises(DataError, match=f"'word' holds {bad}, the embedding 'words' takes whole numbers from 0 to 6"):
        check(ids)
