"""Classifier training in PyTorch: fastai's text classifier (SentenceEncoder, PoolingLinearClassifier), every layer unfrozen, fused Adam."""
import torch
from torch.nn import functional
from fastai.text.all import AWD_LSTM, awd_lstm_clas_config, get_text_classifier, pad_input_chunk, set_seed

from protocol import Computation, serve

CLASSES, DROP_MULT, RATE, PADDING = 2, 0.5, 1e-3, 1


def build(workload):
    sizes, chunk = workload["sizes"], workload["chunk"]
    vocabulary = sizes["vocabulary"]
    computation = Computation(workload)
    set_seed(0)
    config = dict(awd_lstm_clas_config, emb_sz=sizes["embedding"], n_hid=sizes["hidden"], n_layers=sizes["layers"])
    model = get_text_classifier(
        AWD_LSTM, vocabulary, CLASSES, seq_len=chunk, config=config, drop_mult=DROP_MULT, lin_ftrs=[50], max_len=workload["window"]
    ).to(computation.device)
    model.train()
    optimizer = torch.optim.Adam(model.parameters(), RATE, betas=(0.7, 0.99), eps=1e-5, fused=True)
    batches = [[torch.randint(9, vocabulary, (length,)) for length in lengths] for lengths in workload["documents"]]

    def step(documents):
        x = collate(documents, chunk).to(computation.device)
        y = torch.arange(len(x), device=computation.device) % CLASSES
        with computation.autocast():
            logits = model(x)[0]
        loss = functional.cross_entropy(logits.float(), y)
        computation.scaler.scale(loss).backward()
        computation.scaler.step(optimizer)
        computation.scaler.update()
        optimizer.zero_grad()
        return loss.detach()

    def run(steps):
        for number in steps:
            loss = step(batches[number])
        assert loss.isfinite(), "the loss is not finite"  # waits for the device

    return run


def collate(documents, chunk):
    """fastai's batch: the longest document first, padded in front by whole chunks, the rest behind."""
    documents = sorted(documents, key=len, reverse=True)
    return torch.stack([x for (x,) in pad_input_chunk([(d,) for d in documents], pad_idx=PADDING, seq_len=chunk)])


serve(build)
