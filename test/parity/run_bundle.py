"""Checks a bundle's graphs with ONNX's own tools and answers documents with them, apart from everything in TypeScript.

Reads one JSON object from standard input: {"bundle": folder, "documents": [[token, ...], ...]}.
Writes one to standard output: {"onnxruntime": [[numbers], ...], "reference": [[numbers], ...]}, the answers of onnxruntime
and of the ONNX project's reference evaluator, which follows the text of the standard in NumPy: probabilities of the labels,
or a value; of a pair the means of both members' answers. onnxruntime's own operator for 8-bit products, which the standard
lacks, is written below after its documentation.
Fails where onnx.checker does not accept a graph. Needs the packages numpy, onnx and onnxruntime.
"""

import json
import os
import sys

import numpy as np
import onnx
import onnxruntime
from onnx.reference import ReferenceEvaluator
from onnx.reference.op_run import OpRun


def quantized_product(values, weights, scales):
    """values [rows, in] @ weights [in, out], the values rounded to 8 bits with one scale for all of them."""
    low, high = min(values.min(), 0), max(values.max(), 0)
    scale = np.float32((high - low) / 255) if high > low else np.float32(1)
    zero = np.clip(np.rint(-low / scale), 0, 255)
    rounded = np.clip(np.rint(values / scale) + zero, 0, 255).astype(np.int32) - int(zero)
    return (rounded @ weights.astype(np.int32)) * (scale * scales)


class DynamicQuantizeLSTM(OpRun):
    """One direction, without peepholes, with signed weights whose zero points are zeros (onnxruntime/docs/ContribOperators.md)."""

    op_domain = "com.microsoft"

    def _run(self, x, w, r, b, lengths, hidden, cell, _peepholes, w_scale, _w_zero, r_scale, _r_zero, hidden_size=None, **_attributes):
        time, batch, width = x.shape
        units = hidden_size
        bias = b[0, : 4 * units] + b[0, 4 * units :]
        gates_of_inputs = quantized_product(x.reshape(-1, width), w[0], w_scale[0]).reshape(time, batch, -1)
        outputs = np.zeros((time, 1, batch, units), dtype=np.float32)
        hidden, cell = hidden[0].copy(), cell[0].copy()
        for step in range(time):
            gates = gates_of_inputs[step] + quantized_product(hidden, r[0], r_scale[0]) + bias
            enter, leave, keep, candidate = np.split(gates, 4, axis=1)
            new_cell = sigmoid(keep) * cell + sigmoid(enter) * np.tanh(candidate)
            new_hidden = sigmoid(leave) * np.tanh(new_cell)
            goes_on = (step < lengths)[:, None]
            cell = np.where(goes_on, new_cell, cell).astype(np.float32)
            hidden = np.where(goes_on, new_hidden, hidden).astype(np.float32)
            outputs[step, 0] = np.where(goes_on, hidden, 0)
        return outputs, hidden[None], cell[None]


def fresh_state(inputs, batch=1):
    """The state of documents of which nothing has been read, from the shapes that the graph declares."""
    state = {}
    for name, shape in inputs.items():
        if name not in ("tokens", "lengths"):
            start = np.finfo(np.float32).min if name == "pooled_max" else 0.0
            state[name] = np.full((batch, shape[1]), start, dtype=np.float32)
    return state


def sigmoid(values):
    return 1 / (1 + np.exp(-values))


def answer(bundle, logits):
    """What a bundle's logits of one document say, by its task."""
    logits = logits.astype(np.float64)
    if bundle["task"] == "singleLabel":
        powers = np.exp(logits - logits.max())
        return powers / powers.sum()
    if bundle["task"] == "multiLabel":
        return sigmoid(logits)
    if "range" not in bundle:
        return logits
    low, high = bundle["range"]
    return low + (high - low) * sigmoid(logits)


def read(run, inputs, chunk_length, document):
    """The logits of one document, read chunk by chunk. `run` takes named arrays and returns named arrays."""
    state = fresh_state(inputs)
    for start in range(0, len(document), chunk_length):
        chunk = document[start : start + chunk_length]
        outputs = run({"tokens": np.array([chunk], dtype=np.int64), "lengths": np.array([len(chunk)], dtype=np.int32), **state})
        state = {name: outputs["new_" + name] for name in state}
    return outputs["logits"][0]


def encode(member, vocabulary, tokens):
    """The ids of a document's tokens in the order in which a member reads them; 0 is the unknown word."""
    ids = {token: place for place, token in enumerate(vocabulary)}
    encoded = [ids.get(token, 0) for token in tokens]
    return encoded[::-1] if member["direction"] == "backward" else encoded


def answers_of_member(folder, bundle, member, documents):
    """The answers of one member to all documents, by both of ONNX's programs."""
    path = os.path.join(folder, member["graph"])
    onnx.checker.check_model(path, full_check=True)
    with open(os.path.join(folder, member["vocabulary"]), encoding="utf-8") as file:
        vocabulary = json.load(file)

    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    inputs = {value.name: value.shape for value in session.get_inputs()}
    names = [value.name for value in session.get_outputs()]
    evaluator = ReferenceEvaluator(onnx.load(path), new_ops=[DynamicQuantizeLSTM])

    def run_onnxruntime(feeds):
        return dict(zip(names, session.run(names, feeds)))

    def run_reference(feeds):
        return dict(zip(names, evaluator.run(names, feeds)))

    encoded = [encode(member, vocabulary, tokens) for tokens in documents]
    return {
        "onnxruntime": [answer(bundle, read(run_onnxruntime, inputs, member["chunkLength"], ids)) for ids in encoded],
        "reference": [answer(bundle, read(run_reference, inputs, member["chunkLength"], ids)) for ids in encoded],
    }


def main():
    request = json.load(sys.stdin)
    folder = request["bundle"]
    with open(os.path.join(folder, "bundle.json"), encoding="utf-8") as file:
        bundle = json.load(file)
    members = [answers_of_member(folder, bundle, member, request["documents"]) for member in bundle["members"]]
    means = {
        program: np.mean([[row.tolist() for row in member[program]] for member in members], axis=0).tolist()
        for program in ("onnxruntime", "reference")
    }
    json.dump(means, sys.stdout)


if __name__ == "__main__":
    main()
