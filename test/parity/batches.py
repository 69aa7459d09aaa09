"""Makes golden/batches.json: what fastai's LMDataLoader and SortedDL serve, batch by batch, from fixed corpora.

Needs only what requirements.txt names: python batches.py
"""

import json
from unittest.mock import patch

import numpy
from fastai.text.data import LMDataLoader, SortedDL, TensorText, pad_input_chunk, reverse_text

from common import GOLDEN, set_up
from formula import integers

BATCH, WINDOWS = 4, (70, 72)
# 801 tokens: 200 in each stream, with the last window shorter than the others and nothing left over; and 799, with 2 left over.
DOCUMENTS = {"even": (120, 5, 64, 1, 210, 33, 90, 7, 150, 121), "remainder": (120, 5, 64, 1, 210, 33, 90, 7, 150, 119)}
# More than 50 batches, so that there are two stretches; the last batch has two documents. Many lengths occur several times.
COUNT = 230


def corpus(name: str) -> list[TensorText]:
    return [TensorText(integers(f"{name}.{number}", (length,), 2, 1000)) for number, length in enumerate(DOCUMENTS[name])]


def stream(documents: list[TensorText], window: int, backwards: bool) -> dict:
    """Every batch in the order in which it is served; rows are the parallel streams."""
    read = [reverse_text(document) for document in documents] if backwards else documents
    loader = LMDataLoader(read, bs=BATCH, seq_len=window, shuffle=False)
    batches = [{"ids": ids.tolist(), "targets": targets.tolist()} for ids, targets in loader]
    return {"bptt": window, "backwards": backwards, "batches": batches}


def sorted_loader(lengths: list[int], shuffle: bool) -> SortedDL:
    """Documents of these lengths, whose label is their number."""
    documents = [(TensorText(integers(f"document.{number}", (length,), 2, 9)), number) for number, length in enumerate(lengths)]
    return SortedDL(documents, bs=BATCH, shuffle=shuffle, num_workers=0, before_batch=lambda samples: pad_input_chunk(samples, seq_len=8))


def numbers(loader: SortedDL) -> list[list[int]]:
    return [labels.tolist() for _, labels in loader]


def sortish(lengths: list[int], permutation: list[int]) -> list[list[int]]:
    """SortedDL's training batches, where its first draw is this permutation, and its second, of the batches, changes nothing."""
    draws = iter([numpy.array(permutation), None])

    def permuted(items):
        drawn = next(draws)
        return items if drawn is None else drawn

    loader = sorted_loader(lengths, shuffle=True)
    with patch.object(numpy.random, "permutation", permuted):
        batches = numbers(loader)
    assert next(draws, "none left") == "none left"
    return batches


def document_batches() -> dict:
    lengths = integers("lengths", (COUNT,), 3, 60).tolist()
    permutation = numpy.argsort(integers("permutation", (COUNT,), 0, 2**31).numpy(), kind="stable").tolist()
    # The longest document stands first already, so that fastai's exchange of the two changes nothing.
    lengths[permutation[0]] = 75
    return {
        "batch": BATCH, "lengths": lengths, "permutation": permutation,
        "sorted": numbers(sorted_loader(lengths, shuffle=False)), "sortish": sortish(lengths, permutation),
    }


if __name__ == "__main__":
    set_up(0)
    golden = {
        "streams": [
            {
                "corpus": [document.tolist() for document in corpus(name)], "batch": BATCH,
                "runs": [stream(corpus(name), window, backwards) for window in WINDOWS for backwards in (False, True)],
            }
            for name in DOCUMENTS
        ],
        "documents": document_batches(),
    }
    path = GOLDEN / "batches.json"
    path.write_text(json.dumps(golden, separators=(",", ":")) + "\n")
    print(f"{path.name}: {path.stat().st_size} bytes")
