"""Makes the classifier golden with fastai's SentenceEncoder, concat pooling and head: one training batch of documents.

Every document goes through the encoder alone, because fastai's own padded batch answers wrongly for some of them
(README.md, "Padding"; `check_padded_batch` shows it). Needs only what requirements.txt names: python classifier.py
"""

import torch
import torch.nn.functional as F
from fastai.text.data import pad_chunk
from fastai.text.models import awdlstm
from fastai.text.models import core as models
from torch import nn

import formula
from common import (
    EMBEDDING, HIDDEN, LAYERS, PADDING_ID, VOCABULARY,
    encoder_gradients, encoder_weights, given_masks, prefixed, randomize_encoder, save_golden, set_up, their_matrix,
    train_without_dropout, uniform,
)

# Chosen so that float32 is good enough for a tolerance of 1e-5: `check_conditioning` refuses most others. One unit of
# the head's hidden layer is dead for the whole batch, so batch norm meets a variance of zero.
SEED = 2106
LENGTHS = [23, 14, 9, 5, 1]
LABELS = [2, 0, 1, 0, 2]
CLASSES, HEAD_HIDDEN, CHUNK = 3, 50, 7
# With 7: the 23-token document trains on its last two chunks, and the 14-token one on its last alone,
# for its first chunk ends exactly where the window starts.
WINDOW = 7
# The encoder's dropouts; the head has none. Not in equal parts, as in language_model.py.
DROPOUT = {"embed_p": 0.15, "input_p": 0.25, "weight_p": 0.4, "hidden_p": 0.3}
# Chosen as the seed was.
MASKS = "classifier.16"


def make_model(generator: torch.Generator) -> models.SequentialRNN:
    config = {
        "emb_sz": EMBEDDING, "n_hid": HIDDEN, "n_layers": LAYERS, "pad_token": PADDING_ID, "bidir": False,
        "output_p": 0.0, "hidden_p": 0.0, "input_p": 0.0, "embed_p": 0.0, "weight_p": 0.0,
    }
    model = models.get_text_classifier(
        awdlstm.AWD_LSTM, VOCABULARY, CLASSES, seq_len=CHUNK, config=config, lin_ftrs=[HEAD_HIDDEN], ps=[0.0],
        pad_idx=PADDING_ID, max_len=None,
    )
    add_head_biases(model[1])
    model.double()
    randomize_encoder(model[0].module, generator, spread=1.0)
    randomize_head(model[1], generator)
    train_without_dropout(model, model[0].module)
    return model


def add_head_biases(head: models.PoolingLinearClassifier) -> None:
    """fastai 2 leaves the bias out of a linear layer behind a batch norm; the paper's head and ours have it."""
    for block in head.layers:
        for position, part in enumerate(block):
            if isinstance(part, nn.Linear):
                block[position] = nn.Linear(part.in_features, part.out_features, bias=True)


def head_parts(head: models.PoolingLinearClassifier) -> list[tuple[nn.BatchNorm1d, nn.Linear]]:
    def only(block, kind):
        (part,) = [part for part in block if isinstance(part, kind)]
        return part

    return [(only(block, nn.BatchNorm1d), only(block, nn.Linear)) for block in head.layers]


@torch.no_grad()
def randomize_head(head: models.PoolingLinearClassifier, generator: torch.Generator) -> None:
    for norm, linear in head_parts(head):
        features = (norm.num_features,)
        norm.weight.copy_(uniform(generator, features, 0.5, 1.5))
        norm.bias.copy_(uniform(generator, features, -0.5, 0.5))
        norm.running_mean.copy_(uniform(generator, features, -0.5, 0.5))
        norm.running_var.copy_(uniform(generator, features, 0.25, 1.0))
        linear.weight.copy_(uniform(generator, tuple(linear.weight.shape), -0.25, 0.25))
        linear.bias.copy_(uniform(generator, tuple(linear.bias.shape), -0.25, 0.25))


def running_statistics(head: models.PoolingLinearClassifier) -> dict[str, torch.Tensor]:
    statistics = {}
    for number, (norm, _) in enumerate(head_parts(head)):
        statistics[f"head.{number}.norm.mean"] = norm.running_mean.clone()
        statistics[f"head.{number}.norm.variance"] = norm.running_var.clone()
    return statistics


def head_tensors(head: models.PoolingLinearClassifier, of) -> dict[str, torch.Tensor]:
    """`of(parameter)` for each of the head's parameters, under our names; linear weights as [in, out]."""
    tensors = {}
    for number, (norm, linear) in enumerate(head_parts(head)):
        tensors[f"head.{number}.norm.scale"] = of(norm.weight)
        tensors[f"head.{number}.norm.shift"] = of(norm.bias)
        tensors[f"head.{number}.weight"] = of(linear.weight).t()
        tensors[f"head.{number}.bias"] = of(linear.bias)
    return {name: tensor.clone() for name, tensor in tensors.items()}


def encode_whole(model, document: torch.Tensor) -> torch.Tensor:
    """fastai's encoder on one document without padding: [1, time, E]. The state is cut between chunks."""
    output, mask = model[0](document[None])
    assert not mask.any()
    return output


def encode_windowed(model, document: torch.Tensor) -> torch.Tensor:
    """The same numbers; but chunks that end before the last WINDOW tokens begin give no gradient."""
    encoder = model[0].module
    encoder.reset()
    outputs = []
    for chunk in document.split(CHUNK):
        end = sum(output.shape[1] for output in outputs) + len(chunk)
        with torch.set_grad_enabled(end > len(document) - WINDOW):
            outputs.append(encoder(chunk[None]))
    return torch.cat(outputs, dim=1)


def document_masks(row: int):
    """The masks of one document's chunk in fastai's order, from a formula: see formula.py."""
    widths = [HIDDEN] * (LAYERS - 1) + [EMBEDDING]
    yield formula.mask(f"{MASKS}.embedding", (VOCABULARY, 1), DROPOUT["embed_p"])
    yield formula.mask(f"{MASKS}.input", (len(LENGTHS), EMBEDDING), DROPOUT["input_p"])[row][None, None]
    for layer, width in enumerate(widths):
        yield their_matrix(formula.mask(f"{MASKS}.recurrentWeights.{layer}", (width, 4 * width), DROPOUT["weight_p"]))
        if layer < LAYERS - 1:
            yield formula.mask(f"{MASKS}.hidden.{layer}", (len(LENGTHS), width), DROPOUT["hidden_p"])[row][None, None]


def encode_dropped(row: int):
    """`encode_whole` with dropout. fastai draws anew for every chunk; here a document keeps its masks, as in ours."""

    def encode(model, document: torch.Tensor) -> torch.Tensor:
        encoder = model[0].module
        encoder.train()
        for dropout, name in [(encoder.encoder_dp, "embed_p"), (encoder.input_dp, "p"), *((part, "p") for part in encoder.hidden_dps)]:
            setattr(dropout, name, 0.5)  # not 0, so that it asks for a mask
        encoder.reset()
        outputs = []
        for chunk in document.split(CHUNK):
            with given_masks(document_masks(row)):
                outputs.append(encoder(chunk[None]))
        return torch.cat(outputs, dim=1)

    return encode


def pool(output: torch.Tensor) -> torch.Tensor:
    """fastai's [last, max, mean] of one document: [1, 3E]."""
    return models.masked_concat_pool(output, torch.zeros(output.shape[:2], dtype=torch.bool), CHUNK)


def train_batch(model, documents: list[torch.Tensor], encode_row) -> dict[str, torch.Tensor]:
    """Forward and backward of one batch in training mode, without an optimizer step."""
    model.zero_grad()
    pooled = torch.cat([pool(encode_row(row)(model, document)) for row, document in enumerate(documents)])
    logits = model[1].layers(pooled)
    loss = F.cross_entropy(logits, torch.tensor(LABELS))
    loss.backward()
    gradients = {**encoder_gradients(model[0].module), **head_tensors(model[1], lambda parameter: parameter.grad)}
    return {
        "pooled": pooled.detach().clone(), "logits": logits.detach(), "loss": loss.detach(),
        **prefixed("gradients", {name: gradient.clone() for name, gradient in gradients.items()}),
    }


@torch.no_grad()
def evaluate(model, documents: list[torch.Tensor]) -> torch.Tensor:
    """The logits of each document alone, batch norm with its running statistics."""
    model.eval()
    logits = torch.cat([model[1].layers(pool(encode_whole(model, document))) for document in documents])
    train_without_dropout(model, model[0].module)
    return logits


@torch.no_grad()
def check_padded_batch(model, documents: list[torch.Tensor]) -> None:
    """What README.md says of fastai's padded batches, as assertions on documents of 23, 14, 9 and 1 tokens."""
    longest, second, third, _, shortest = documents
    alone = {len(document): pool(encode_whole(model, document))[0] for document in documents}

    def in_a_batch(*batch: torch.Tensor) -> torch.Tensor:
        padded = [
            pad_chunk(document, pad_idx=PADDING_ID, pad_first=True, seq_len=CHUNK, pad_len=len(longest)) for document in batch
        ]
        return models.masked_concat_pool(*model[0](torch.stack(padded)), CHUNK)

    def close(left: torch.Tensor, right: torch.Tensor) -> bool:
        return torch.allclose(left, right, rtol=1e-12, atol=1e-12)

    # Padding itself is harmless: these two documents answer as they do alone.
    assert close(in_a_batch(longest, second), torch.stack([alone[23], alone[14]]))
    # The last state of a document that starts within the last CHUNK columns is read from the padding before it.
    with_shortest = in_a_batch(longest, shortest)[1]
    assert close(with_shortest[EMBEDDING:], alone[1][EMBEDDING:])
    assert (with_shortest[:EMBEDDING] == 0).all()
    # The 14-token document ends before the last chunk, so SentenceEncoder counts one row less and drops the last row's
    # two final tokens, not this row's padding.
    with_third = in_a_batch(longest, second, third)[2]
    assert not close(with_third, alone[9])
    assert (with_third[:EMBEDDING] == 0).all()
    assert close(with_third[2 * EMBEDDING:] * 9, encode_whole(model, third)[0, :7].sum(dim=0))


@torch.no_grad()
def check_conditioning(model, documents: list[torch.Tensor], encode_row) -> torch.Tensor:
    """Batch norm divides by these deviations: where one is tiny but not zero, float32's rounding would be blown up. Returns the
    variances in the head's hidden layer."""
    pooled = torch.cat([pool(encode_row(row)(model, document)) for row, document in enumerate(documents)])
    normalized = (pooled - pooled.mean(dim=0)) / (pooled.var(dim=0, correction=0) + 1e-5).sqrt()
    norm, linear = head_parts(model[1])[0]
    hidden = linear(normalized * norm.weight + norm.bias).relu()
    variances = hidden.var(dim=0, correction=0)
    assert pooled.var(dim=0, correction=0).min() > 2e-4
    assert variances[variances > 0].min() > 0.01
    return variances


def padded_columns(documents: list[torch.Tensor]) -> torch.Tensor:
    """Time-major [time, batch]; our padding follows the document."""
    return nn.utils.rnn.pad_sequence(documents, padding_value=PADDING_ID)


def make_golden() -> None:
    generator = set_up(SEED)
    model = make_model(generator)
    documents = [torch.randint(PADDING_ID + 1, VOCABULARY, (length,), generator=generator) for length in LENGTHS]
    check_padded_batch(model, documents)
    assert (check_conditioning(model, documents, lambda row: encode_whole) == 0).sum() == 1
    before = running_statistics(model[1])
    tensors = {
        "ids": padded_columns(documents), "lengths": torch.tensor(LENGTHS), "labels": torch.tensor(LABELS),
        **prefixed("weights", {
            **encoder_weights(model[0].module), **head_tensors(model[1], lambda parameter: parameter), **before,
        }),
        "evaluation.logits": evaluate(model, documents),
    }
    whole = train_batch(model, documents, lambda row: encode_whole)
    tensors |= whole | prefixed("after", running_statistics(model[1]))
    tensors["after.evaluation.logits"] = evaluate(model, documents)
    windowed = train_batch(model, documents, lambda row: encode_windowed)
    for name in ("pooled", "logits", "loss"):
        torch.testing.assert_close(windowed[name], whole[name], rtol=1e-12, atol=1e-12)
    tensors |= {f"window.{name}": tensor for name, tensor in windowed.items() if name.startswith("gradients.")}
    check_conditioning(model, documents, encode_dropped)
    tensors |= prefixed("dropout", train_batch(model, documents, encode_dropped))
    norm = head_parts(model[1])[0][0]
    sizes = {"vocabulary": VOCABULARY, "embedding": EMBEDDING, "hidden": HIDDEN, "layers": LAYERS}
    facts = {
        "sizes": sizes, "masks": MASKS, "classes": CLASSES, "headHidden": HEAD_HIDDEN, "chunkLength": CHUNK, "window": WINDOW, "dropout": DROPOUT,
        "normEpsilon": norm.eps, "normMomentum": norm.momentum,
    }
    save_golden("classifier", tensors, facts)


# Concat pooling alone. With a length that is a multiple of the chunk's, fastai's padding and pooling are right for every document.
POOLED_LENGTHS, POOLED_CHUNK = [12, 10, 5, 4, 3, 1], 4


def make_pooling_golden() -> None:
    """fastai's masked_concat_pool on rows padded as `pad_chunk` does it: values, and gradients of their weighted sum."""
    time, batch = max(POOLED_LENGTHS), len(POOLED_LENGTHS)
    outputs = formula.uniform("pooling.outputs", (time, batch, EMBEDDING), 1.0).requires_grad_()
    rows, masks = [], []
    for row, length in enumerate(POOLED_LENGTHS):
        mask = pad_chunk(torch.zeros(length), pad_idx=1, pad_first=True, seq_len=POOLED_CHUNK, pad_len=time).bool()
        start = int((~mask).nonzero()[0])
        behind = time - start - length
        # What would win every maximum stands where padding is.
        padding = [torch.full((count, EMBEDDING), 9.0, dtype=torch.float64) for count in (start, behind)]
        rows.append(torch.cat([padding[0], outputs[:length, row], padding[1]]))
        masks.append(mask)
    pooled = models.masked_concat_pool(torch.stack(rows), torch.stack(masks), POOLED_CHUNK)
    weights = formula.uniform("pooling.weights", (batch, 3 * EMBEDDING), 1.0)
    (pooled * weights).sum().backward()
    tensors = {"lengths": torch.tensor(POOLED_LENGTHS), "pooled": pooled, "gradient": outputs.grad}
    save_golden("pooling", tensors, {"embedding": EMBEDDING})


if __name__ == "__main__":
    make_golden()
    make_pooling_golden()
