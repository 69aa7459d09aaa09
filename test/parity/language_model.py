"""Makes the language model goldens with fastai's AWD-LSTM: losses, gradients and carried states of three batches.

Needs only what requirements.txt names: python language_model.py
"""

from contextlib import ExitStack, contextmanager
from types import SimpleNamespace
from unittest.mock import patch

import torch
import torch.nn.functional as F
from fastai.callback.rnn import RNNRegularizer
from fastai.text.models import awdlstm
from fastai.text.models import core as models

from common import (
    EMBEDDING, HIDDEN, LAYERS, PADDING_ID, VOCABULARY,
    encoder_gradients, encoder_weights, our_matrix, prefixed, randomize_encoder, save_golden, set_up,
    train_without_dropout, uniform,
)

SEED = 2018
BATCH, TIME, BATCHES = 4, 7, 3
# The batch of which the golden with dropout also has AR and TAR each by itself.
REGULARIZED_BATCH = 1
ALPHA, BETA = 2.0, 1.0
NO_DROPOUT = {"input_p": 0.0, "hidden_p": 0.0, "output_p": 0.0, "weight_p": 0.0, "embed_p": 0.0}
# Not in equal parts: a mask used at another's place, or scaled by another's rate, cannot pass.
DROPOUT = {"input_p": 0.25, "hidden_p": 0.3, "output_p": 0.2, "weight_p": 0.4, "embed_p": 0.15}


def make_model(dropout: dict[str, float], generator: torch.Generator) -> models.SequentialRNN:
    config = {
        **dropout, "emb_sz": EMBEDDING, "n_hid": HIDDEN, "n_layers": LAYERS, "pad_token": PADDING_ID,
        "bidir": False, "tie_weights": True, "out_bias": True,
    }
    model = models.get_language_model(awdlstm.AWD_LSTM, VOCABULARY, config=config).double()
    randomize_encoder(model[0], generator, spread=0.5)
    with torch.no_grad():
        model[1].decoder.bias.copy_(uniform(generator, (VOCABULARY,), -0.5, 0.5))
    model.train()
    if not any(dropout.values()):
        train_without_dropout(model, model[0])
    model.reset()
    return model


@contextmanager
def recorded_masks(dropout: dict[str, float]):
    """Lets fastai draw its own masks, in float32, and yields the list that they are recorded in, in drawing order."""
    masks = []
    draw, drop_weights = awdlstm.dropout_mask, F.dropout

    def draw_and_record(x, size, p):
        mask = draw(x.float(), size, p).double()
        masks.append(mask)
        return mask

    def drop_and_record(weights, p):
        mask = drop_weights(torch.ones_like(weights, dtype=torch.float32), p=p).double()
        masks.append(mask)
        return weights * mask

    with ExitStack() as stack:
        if any(dropout.values()):
            stack.enter_context(patch.object(awdlstm, "dropout_mask", draw_and_record))
            stack.enter_context(patch.object(awdlstm.F, "dropout", drop_and_record))
        yield masks


def named_masks(masks: list[torch.Tensor]) -> dict[str, torch.Tensor]:
    """fastai draws: embedding, input, then per layer the weights and (not after the last one) the hidden, output."""
    if not masks:
        return {}
    drawn = iter(masks)
    named = {"embedding": next(drawn), "input": next(drawn)[:, 0]}
    for layer in range(LAYERS):
        named[f"recurrentWeights.{layer}"] = our_matrix(next(drawn))
        if layer < LAYERS - 1:
            named[f"hidden.{layer}"] = next(drawn)[:, 0]
    named["output"] = next(drawn)[:, 0]
    assert next(drawn, None) is None
    return named


def regularization(raw: torch.Tensor, dropped: torch.Tensor) -> dict[str, torch.Tensor]:
    """AR and TAR in float64, each checked against fastai's RNNRegularizer, which computes it in float32."""
    terms = {
        "activation": ALPHA * dropped.pow(2).mean(),
        "temporal": BETA * (raw[:, 1:] - raw[:, :-1]).pow(2).mean(),
    }
    for name, coefficients in {"activation": {"alpha": ALPHA}, "temporal": {"beta": BETA}}.items():
        learner = SimpleNamespace(training=True, loss_grad=torch.zeros(()).double(), rnn=SimpleNamespace(out=dropped, raw_out=raw))
        regularizer = RNNRegularizer(**coefficients)
        regularizer.learn = learner
        with torch.no_grad():
            regularizer.after_loss()  # adds to loss_grad in place
        torch.testing.assert_close(terms[name].detach(), learner.loss_grad, rtol=1e-6, atol=0)
    return terms


def regularization_alone(model, terms: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Each term by itself: its value, and its gradients. They do not reach the decoder."""
    result = {}
    for name, term in terms.items():
        model.zero_grad()
        term.backward(retain_graph=True)
        assert model[1].decoder.bias.grad is None
        gradients = {key: gradient.clone() for key, gradient in encoder_gradients(model[0]).items()}
        result |= {f"{name}.value": term, **prefixed(f"{name}.gradients", gradients)}
    model.zero_grad()
    return result


def run_batch(model, ids: torch.Tensor, targets: torch.Tensor, dropout: dict[str, float], apart: bool) -> dict[str, torch.Tensor]:
    """One training batch without an optimizer step. fastai is batch-major; what is returned is time-major."""
    model.zero_grad()
    with recorded_masks(dropout) as masks:
        logits, raw, dropped = model(ids)
    plain = F.cross_entropy(logits.reshape(-1, VOCABULARY), targets.reshape(-1))
    terms = regularization(raw, dropped)
    alone = regularization_alone(model, terms) if apart else {}
    total = plain + sum(terms.values())
    total.backward()
    result = {
        "ids": ids.t(), "targets": targets.t(),
        "output.raw": raw.transpose(0, 1), "output.dropped": dropped.transpose(0, 1),
        "logits": logits.transpose(0, 1), "loss.crossEntropy": plain, "loss.total": total,
        **prefixed("masks", named_masks(masks)), **prefixed("regularization", alone),
        **prefixed("gradients", encoder_gradients(model[0])),
        "gradients.decoder.bias": model[1].decoder.bias.grad.clone(),
    }
    for layer, (hidden, cell) in enumerate(model[0].hidden):
        result[f"state.{layer}.hidden"] = hidden[0]
        result[f"state.{layer}.cell"] = cell[0]
    return {name: tensor.clone() for name, tensor in result.items()}


def make_golden(name: str, dropout: dict[str, float]) -> None:
    generator = set_up(SEED)
    model = make_model(dropout, generator)
    # fastai gives the padding row no gradient as an input; a language model's stream holds no padding.
    stream = torch.randint(PADDING_ID + 1, VOCABULARY, (BATCH, TIME * BATCHES + 1), generator=generator)
    tensors = prefixed("weights", {**encoder_weights(model[0]), "decoder.bias": model[1].decoder.bias})
    for number in range(BATCHES):
        start = number * TIME
        ids, targets = stream[:, start:start + TIME], stream[:, start + 1:start + TIME + 1]
        apart = any(dropout.values()) and number == REGULARIZED_BATCH
        tensors |= prefixed(f"batch.{number}", run_batch(model, ids, targets, dropout, apart))
    sizes = {"vocabulary": VOCABULARY, "embedding": EMBEDDING, "hidden": HIDDEN, "layers": LAYERS}
    facts = {"sizes": sizes, "batches": BATCHES, "time": TIME, "batch": BATCH, "alpha": ALPHA, "beta": BETA, "dropout": dropout}
    save_golden(name, tensors, facts)


if __name__ == "__main__":
    make_golden("language-model", NO_DROPOUT)
    make_golden("language-model-dropout", DROPOUT)
