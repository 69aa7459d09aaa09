"""Numbers that a formula gives, so that nothing large has to be committed: formula.ts gives the same ones, bit by bit."""

import numpy
import torch

# MurmurHash3's 32-bit finalizer (Appleby), over steps of 2^32 divided by the golden ratio.
STEP, FIRST, SECOND = numpy.uint32(0x9E3779B9), numpy.uint32(0x85EBCA6B), numpy.uint32(0xC2B2AE35)


def scrambled(values: numpy.ndarray) -> numpy.ndarray:
    """Every bit that comes in reaches every bit that goes out. Wraps around, as uint32 does."""
    values = (values ^ (values >> numpy.uint32(16))) * FIRST
    values = (values ^ (values >> numpy.uint32(13))) * SECOND
    return values ^ (values >> numpy.uint32(16))


def hashes(name: str, count: int) -> numpy.ndarray:
    """`count` numbers of 32 bits that depend on the name alone: FNV-1a of the name, then a finalizer for each place."""
    start = 0x811C9DC5
    for byte in name.encode("ascii"):
        start = ((start ^ byte) * 0x01000193) % 2**32
    begin = scrambled(numpy.array([start], numpy.uint32))
    return scrambled(begin + numpy.arange(count, dtype=numpy.uint32) * STEP)


def uniform(name: str, shape: tuple[int, ...], bound: float) -> torch.Tensor:
    """Multiples of bound / 2048 from -bound to bound. Exact in float32 where the bound is a power of two."""
    steps = (hashes(name, int(numpy.prod(shape))) >> numpy.uint32(20)).astype(numpy.float64) - 2048
    return torch.from_numpy(steps * (bound / 2048)).reshape(shape)


def mask(name: str, shape: tuple[int, ...], probability: float) -> torch.Tensor:
    """A dropout mask: 0 with the given probability, else 1 / (1 - probability) rounded to float32."""
    kept = hashes(name, int(numpy.prod(shape))) >= probability * 2**32
    return torch.from_numpy(kept * numpy.float64(numpy.float32(1 / (1 - probability)))).reshape(shape)


def integers(name: str, shape: tuple[int, ...], low: int, high: int) -> torch.Tensor:
    """Whole numbers from low to high - 1."""
    return torch.from_numpy((hashes(name, int(numpy.prod(shape))) % numpy.uint32(high - low)).astype(numpy.int64) + low).reshape(shape)
