"""What a golden keeps of a tensor too large to be committed. digest.ts compares a tensor with it."""

import numpy
import torch

from formula import hashes

SEEDED, LARGEST, PROJECTIONS = 128, 32, 8


def digest(name: str, tensor: torch.Tensor) -> dict[str, torch.Tensor]:
    """Of a tensor in our layout: its L2 norm, its largest absolute value, the values at places that the name seeds and at
    those with the largest values, and its products with vectors of ±1 that the name seeds. Computed in float64.

    A product with random signs is about as large as the norm, and that of a difference as large as the difference's norm: so
    the products tell how far the whole tensor is off, and the places tell where a single number is."""
    values = numpy.ascontiguousarray(tensor.detach().numpy()).reshape(-1)
    assert values.dtype == numpy.float64
    drawn = hashes(f"{name}.places", SEEDED) % numpy.uint32(len(values))
    largest = numpy.sort(numpy.argpartition(-numpy.abs(values), min(LARGEST, len(values) - 1))[:LARGEST])
    places = numpy.concatenate([drawn.astype(numpy.int64), largest])
    signs = hashes(f"{name}.signs", len(values))
    # Twice the sum of what a set bit takes, less the sum of all: every other value is subtracted.
    projections = [2 * values[(signs >> numpy.uint32(bit)) % 2 == 1].sum() - values.sum() for bit in range(PROJECTIONS)]
    return {
        f"{name}.norm": torch.tensor(numpy.linalg.norm(values)),
        f"{name}.largest": torch.tensor(numpy.abs(values).max()),
        f"{name}.places": torch.from_numpy(places),
        f"{name}.entries": torch.from_numpy(values[places]),
        f"{name}.projections": torch.tensor(projections, dtype=torch.float64),
    }
