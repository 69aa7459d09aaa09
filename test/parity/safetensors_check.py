"""Reads and writes safetensors files with the format's own library, for safetensors.test.ts.

    python safetensors_check.py read FILE     prints {"metadata", "tensors": {name: {dtype, shape, sum, sha256}}}
    python safetensors_check.py write FILE    writes odd cases: halves, long integers, scalars, empty tensors, metadata

Needs the packages safetensors and numpy.
"""

import hashlib
import json
import sys

import numpy
from safetensors import safe_open
from safetensors.numpy import save_file

ODD_CASES = {
    "half.edges": numpy.array([0.0, -0.0, 65504.0, 2.0**-14, 2.0**-24, -(2.0**-24), numpy.inf, -numpy.inf], numpy.float16),
    "half.odd": numpy.array([1.5, -2.25, 0.333251953125], numpy.float16),  # six bytes: what follows is unaligned
    "long": numpy.array([[-(2**63), 2**63 - 1], [2**53 + 1, -1]], numpy.int64),
    "unsigned.long": numpy.array([2**64 - 1], numpy.uint64),
    "double": numpy.array([0.1, -1e300], numpy.float64),
    "single": numpy.array([[0.1, -1e38]], numpy.float32),
    "integer": numpy.array([-(2**31), 2**31 - 1], numpy.int32),
    "short": numpy.array([-32768], numpy.int16),
    "byte": numpy.array([-128, 127, 5], numpy.int8),
    "unsigned.byte": numpy.array([255], numpy.uint8),
    "truth": numpy.array([True, False, True]),
    "scalar": numpy.array(2.5, numpy.float32),
    "scalar.long": numpy.array(-7, numpy.int64),
    "empty": numpy.zeros((0,), numpy.float32),
    "empty.matrix": numpy.zeros((3, 0, 2), numpy.float16),
    "name with spaces/and \u00fcml\u00e4ut \u4e16\u754c": numpy.array([1.0], numpy.float32),
}
METADATA = {"format": "np", "quote": 'a "quoted" line\nand a second', "language": "d\u00e9j\u00e0 vu"}

SAFETENSORS_NAMES = {
    "float64": "F64", "float32": "F32", "float16": "F16", "int64": "I64", "int32": "I32", "int16": "I16", "int8": "I8",
    "uint64": "U64", "uint32": "U32", "uint16": "U16", "uint8": "U8", "bool": "BOOL",
}


def describe(array: numpy.ndarray) -> dict:
    whole = array.dtype.kind in "iub"
    with numpy.errstate(invalid="ignore"):  # infinities of both signs sum to NaN
        total = int(array.sum(dtype=object)) if whole else float(array.sum(dtype=numpy.float64))
    return {
        "dtype": SAFETENSORS_NAMES[array.dtype.name],
        "shape": list(array.shape),
        "sum": str(total) if whole or not numpy.isfinite(total) else total,
        "sha256": hashlib.sha256(array.tobytes()).hexdigest(),
    }


def read(path: str) -> None:
    with safe_open(path, framework="numpy") as file:
        tensors = {name: describe(file.get_tensor(name)) for name in file.keys()}
        print(json.dumps({"metadata": file.metadata() or {}, "tensors": tensors}))


def main() -> int:
    match sys.argv[1:]:
        case ["read", path]:
            read(path)
        case ["write", path]:
            save_file(ODD_CASES, path, metadata=METADATA)
        case _:
            print(__doc__, file=sys.stderr)
            return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
