"""Checks a bundle's graph with ONNX's own tools and answers documents with it, apart from everything in TypeScript.

Reads one JSON object from standard input: {"bundle": folder, "documents": [[token ids], ...]}.
Writes one to standard output: {"onnxruntime": [[probabilities], ...], "reference": [[probabilities], ...]}, the answers of
onnxruntime and of the ONNX project's reference evaluator, which follows the text of the standard in NumPy.
Fails where onnx.checker does not accept the graph. Needs the packages numpy, onnx and onnxruntime.
"""

import json
import os
import sys

import numpy as np
import onnx
import onnxruntime
from onnx.reference import ReferenceEvaluator


def fresh_state(inputs, batch=1):
    """The state of documents of which nothing has been read, from the shapes that the graph declares."""
    state = {}
    for name, shape in inputs.items():
        if name not in ("tokens", "lengths"):
            start = np.finfo(np.float32).min if name == "pooled_max" else 0.0
            state[name] = np.full((batch, shape[1]), start, dtype=np.float32)
    return state


def classify(run, inputs, chunk_length, document):
    """The probabilities of one document, read chunk by chunk. `run` takes named arrays and returns named arrays."""
    state = fresh_state(inputs)
    for start in range(0, len(document), chunk_length):
        chunk = document[start : start + chunk_length]
        outputs = run({"tokens": np.array([chunk], dtype=np.int64), "lengths": np.array([len(chunk)], dtype=np.int32), **state})
        state = {name: outputs["new_" + name] for name in state}
    powers = np.exp(outputs["logits"][0].astype(np.float64) - outputs["logits"][0].max())
    return (powers / powers.sum()).tolist()


def main():
    request = json.load(sys.stdin)
    with open(os.path.join(request["bundle"], "bundle.json"), encoding="utf-8") as file:
        bundle = json.load(file)
    path = os.path.join(request["bundle"], bundle["graph"])
    onnx.checker.check_model(path, full_check=True)

    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    inputs = {value.name: value.shape for value in session.get_inputs()}
    names = [value.name for value in session.get_outputs()]
    evaluator = ReferenceEvaluator(onnx.load(path))

    def run_onnxruntime(feeds):
        return dict(zip(names, session.run(names, feeds)))

    def run_reference(feeds):
        return dict(zip(names, evaluator.run(names, feeds)))

    answers = {
        "onnxruntime": [classify(run_onnxruntime, inputs, bundle["chunkLength"], document) for document in request["documents"]],
        "reference": [classify(run_reference, inputs, bundle["chunkLength"], document) for document in request["documents"]],
    }
    json.dump(answers, sys.stdout)


if __name__ == "__main__":
    main()
