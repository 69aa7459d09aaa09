"""Classifying in PyTorch: fastai's text classifier (SentenceEncoder, PoolingLinearClassifier) on token ids, documents of like length in a batch."""
import json

import torch
from torch import nn
from fastai.text.all import AWD_LSTM, awd_lstm_clas_config, get_text_classifier, pad_input_chunk, set_seed

from protocol import serve

CLASSES, WINDOW, PADDING, BATCH = 2, 1440, 1, 32


def build(work):
    sizes, chunk = work["sizes"], work["chunk"]
    torch.set_num_threads(work["threads"])
    set_seed(0)
    config = dict(awd_lstm_clas_config, emb_sz=sizes["embedding"], n_hid=sizes["hidden"], n_layers=sizes["layers"])
    model = get_text_classifier(AWD_LSTM, sizes["vocabulary"], CLASSES, seq_len=chunk, config=config, lin_ftrs=[50], max_len=WINDOW)
    model = VARIANTS[work["variant"]](model.eval())
    with open(work["documents"]) as lines:
        documents = [torch.tensor(json.loads(line)) for line in lines]

    @torch.inference_mode()
    def run(steps):
        for step in steps:
            by_length = sorted((documents[line] for line in work["passes"][step]), key=len, reverse=True)
            for first in range(0, len(by_length), BATCH):
                batch = [(document,) for document in by_length[first : first + BATCH]]
                x = torch.stack([padded for (padded,) in pad_input_chunk(batch, pad_idx=PADDING, seq_len=chunk)])
                probabilities = model(x)[0].float().softmax(1)
                assert probabilities.isfinite().all(), "a probability is not finite"

    return run


def without_weight_dropout(model):
    """The recurrent layers out of fastai's WeightDropout, which copies their weights for every chunk: only training needs it."""
    layers = model[0].module.rnns
    for number, dropout in enumerate(layers):
        lstm = nn.LSTM(dropout.module.input_size, dropout.module.hidden_size, batch_first=True)
        state = dropout.state_dict()
        lstm.load_state_dict({name: state.get(f"{name}_raw", state.get(f"module.{name}")) for name in lstm.state_dict()})
        layers[number] = lstm.eval()
    return model


def to_int8(model):
    return torch.ao.quantization.quantize_dynamic(without_weight_dropout(model), {nn.LSTM, nn.Linear}, dtype=torch.qint8)


def to_bfloat16(model):
    model = without_weight_dropout(model).bfloat16()
    model.reset()  # the state that it begins with has its type
    return model


VARIANTS = {"fastai": lambda model: model, "int8": to_int8, "bf16": to_bfloat16}

serve(build)
