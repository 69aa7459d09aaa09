"""Makes the goldens of the presets: digests of every output and gradient of their language models, over two windows with all
five dropouts, and of the smaller one's classifier, over a batch of documents of several chunks.

Weights, masks and tokens are a formula's (formula.py), so the golden holds answers alone. Needs only what requirements.txt
names: python presets.py
"""

import torch
import torch.nn.functional as F
from fastai.text.models import awdlstm
from fastai.text.models import core as models

import formula
from classifier import add_head_biases, encode_whole, head_parts, head_tensors, pool, running_statistics
from common import (
    PADDING_ID,
    encoder_gradients, given_masks, lstm_parameters, our_gates, prefixed, save_golden, set_up, their_matrix, train_without_dropout,
)
from digest import digest
from language_model import ALPHA, BETA, DROPOUT, regularization

PRESETS = {
    "small": {"vocabulary": 16_000, "embedding": 256, "hidden": 512, "layers": 3},
    "base": {"vocabulary": 60_000, "embedding": 400, "hidden": 1152, "layers": 3},
}
BATCH, TIME, WINDOWS = 4, 8, 2
# Powers of two, so that every weight is exact in float32; large enough for every gate to work outside of its linear part.
BOUNDS = {"embedding.weight": 0.5, "inputWeights": 0.125, "recurrentWeights": 0.125, "bias": 0.25, "decoder.bias": 0.5}


def widths(sizes: dict[str, int]) -> list[tuple[int, int]]:
    """Input and output of each LSTM layer."""
    outputs = [sizes["hidden"]] * (sizes["layers"] - 1) + [sizes["embedding"]]
    return list(zip([sizes["embedding"], *outputs], outputs))


def drawn(preset: str, name: str, shape: tuple[int, ...]) -> torch.Tensor:
    """One of our tensors, in our layout."""
    return formula.uniform(f"{preset}.{name}", shape, BOUNDS.get(name) or BOUNDS[name.split(".")[-1]])


@torch.no_grad()
def fill_encoder(encoder: awdlstm.AWD_LSTM, preset: str, sizes: dict[str, int]) -> None:
    """Our tensors in fastai's layout. Our one bias is the sum of PyTorch's two: the second is zero here."""
    encoder.encoder.weight.copy_(drawn(preset, "embedding.weight", (sizes["vocabulary"], sizes["embedding"])))
    for layer, (entering, width) in enumerate(widths(sizes)):
        parameters = lstm_parameters(encoder, layer)
        parameters["weight_ih"].copy_(their_matrix(drawn(preset, f"lstm.{layer}.inputWeights", (entering, 4 * width))))
        parameters["weight_hh"].copy_(their_matrix(drawn(preset, f"lstm.{layer}.recurrentWeights", (width, 4 * width))))
        parameters["bias_ih"].copy_(our_gates(drawn(preset, f"lstm.{layer}.bias", (4 * width,))))
        parameters["bias_hh"].zero_()


def masks(prefix: str, sizes: dict[str, int]):
    """In fastai's order and shapes; the names' numbers are those of our layout."""
    yield formula.mask(f"{prefix}.embedding", (sizes["vocabulary"], 1), DROPOUT["embed_p"])
    yield formula.mask(f"{prefix}.input", (BATCH, sizes["embedding"]), DROPOUT["input_p"])[:, None]
    for layer, (_, width) in enumerate(widths(sizes)):
        yield their_matrix(formula.mask(f"{prefix}.recurrentWeights.{layer}", (width, 4 * width), DROPOUT["weight_p"]))
        if layer < sizes["layers"] - 1:
            yield formula.mask(f"{prefix}.hidden.{layer}", (BATCH, width), DROPOUT["hidden_p"])[:, None]
    yield formula.mask(f"{prefix}.output", (BATCH, sizes["embedding"]), DROPOUT["output_p"])[:, None]


def run_language_model(preset: str, sizes: dict[str, int]) -> dict[str, torch.Tensor]:
    config = {
        **DROPOUT, "emb_sz": sizes["embedding"], "n_hid": sizes["hidden"], "n_layers": sizes["layers"],
        "pad_token": PADDING_ID, "bidir": False, "tie_weights": True, "out_bias": True,
    }
    model = models.get_language_model(awdlstm.AWD_LSTM, sizes["vocabulary"], config=config).double()
    fill_encoder(model[0], preset, sizes)
    with torch.no_grad():
        model[1].decoder.bias.copy_(drawn(preset, "decoder.bias", (sizes["vocabulary"],)))
    model.train()
    model.reset()
    stream = formula.integers(f"{preset}.stream", (TIME * WINDOWS + 1, BATCH), PADDING_ID + 1, sizes["vocabulary"])
    result = {}
    for window in range(WINDOWS):
        model.zero_grad()
        ids, targets = (stream[window * TIME + shift:][:TIME] for shift in (0, 1))
        with given_masks(masks(f"{preset}.{window}", sizes)):
            logits, raw, dropped = model(ids.t())
        plain = F.cross_entropy(logits.transpose(0, 1).reshape(-1, sizes["vocabulary"]), targets.reshape(-1))
        total = plain + sum(regularization(raw, dropped).values())
        total.backward()
        prefix = f"{preset}.{window}"
        result |= {f"{prefix}.loss.crossEntropy": plain, f"{prefix}.loss.total": total}
        large = {
            "output.raw": raw.transpose(0, 1), "output.dropped": dropped.transpose(0, 1), "logits": logits.transpose(0, 1),
            **prefixed("gradients", encoder_gradients(model[0])), "gradients.decoder.bias": model[1].decoder.bias.grad,
        }
        for layer, (hidden, cell) in enumerate(model[0].hidden):
            large |= {f"state.{layer}.hidden": hidden[0], f"state.{layer}.cell": cell[0]}
        for name, tensor in large.items():
            result |= digest(f"{prefix}.{name}", tensor)
    return result


# The classifier: documents around the borders of a chunk, and of several chunks.
LENGTHS, CHUNK, CLASSES, HEAD_HIDDEN = [45, 40, 33, 26, 21, 20, 19, 14, 10, 8, 5, 3], 20, 3, 50
# One of several that were tried: the least variance that batch norm divides by is not very small. classifier.py says why that matters.
DOCUMENTS = "document.10"
HEAD_BOUNDS = {"norm.scale": 0.5, "norm.shift": 0.5, "norm.mean": 0.5, "norm.variance": 0.5, "weight": 0.125, "bias": 0.25}
# What their formulas are added to: scales and variances are positive.
HEAD_CENTRES = {"norm.scale": 1.0, "norm.variance": 1.0}


@torch.no_grad()
def fill_head(head: models.PoolingLinearClassifier, preset: str) -> None:
    for number, (norm, linear) in enumerate(head_parts(head)):
        places = {
            "norm.scale": norm.weight, "norm.shift": norm.bias, "norm.mean": norm.running_mean, "norm.variance": norm.running_var,
            "weight": linear.weight.t(), "bias": linear.bias,
        }
        for name, place in places.items():
            values = formula.uniform(f"{preset}.head.{number}.{name}", tuple(place.shape), HEAD_BOUNDS[name])
            place.copy_(values + HEAD_CENTRES.get(name, 0.0))


def run_classifier(preset: str, sizes: dict[str, int]) -> dict[str, torch.Tensor]:
    """One training batch without dropout, every document through fastai's encoder by itself, as in classifier.py."""
    config = {
        **{name: 0.0 for name in DROPOUT}, "emb_sz": sizes["embedding"], "n_hid": sizes["hidden"], "n_layers": sizes["layers"],
        "pad_token": PADDING_ID, "bidir": False,
    }
    model = models.get_text_classifier(
        awdlstm.AWD_LSTM, sizes["vocabulary"], CLASSES, seq_len=CHUNK, config=config, lin_ftrs=[HEAD_HIDDEN], ps=[0.0],
        pad_idx=PADDING_ID, max_len=None,
    )
    add_head_biases(model[1])
    model.double()
    encoder, head = model[0].module, model[1]
    fill_encoder(encoder, preset, sizes)
    fill_head(head, preset)
    train_without_dropout(model, encoder)
    documents = [
        formula.integers(f"{preset}.{DOCUMENTS}.{row}", (length,), PADDING_ID + 1, sizes["vocabulary"])
        for row, length in enumerate(LENGTHS)
    ]
    pooled = torch.cat([pool(encode_whole(model, document)) for document in documents])
    logits = head.layers(pooled)
    loss = F.cross_entropy(logits, torch.arange(len(documents)) % CLASSES)
    loss.backward()
    gradients = {**encoder_gradients(encoder), **head_tensors(head, lambda parameter: parameter.grad)}
    result = {f"{preset}.loss": loss, f"{preset}.logits": logits}
    for name, tensor in {**prefixed("after", running_statistics(head)), **prefixed("gradients", gradients)}.items():
        result |= digest(f"{preset}.{name}", tensor)
    return result


def make_language_model_golden() -> None:
    tensors = {}
    for preset, sizes in PRESETS.items():
        tensors |= run_language_model(preset, sizes)
    facts = {
        "presets": PRESETS, "batch": BATCH, "time": TIME, "windows": WINDOWS, "alpha": ALPHA, "beta": BETA,
        "bounds": BOUNDS, "dropout": DROPOUT,
    }
    save_golden("presets", tensors, facts)


def make_classifier_golden() -> None:
    facts = {
        "sizes": PRESETS["small"], "documents": DOCUMENTS, "lengths": LENGTHS, "chunkLength": CHUNK, "classes": CLASSES, "bounds": BOUNDS,
        "headBounds": HEAD_BOUNDS, "headCentres": HEAD_CENTRES,
    }
    save_golden("preset-classifier", run_classifier("small", PRESETS["small"]), facts)


if __name__ == "__main__":
    set_up(0)
    make_classifier_golden()
    make_language_model_golden()
