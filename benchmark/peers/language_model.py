"""Language-model training in PyTorch: fastai's AWD_LSTM and tied LinearDecoder, its dropouts, AR and TAR, clipping, fused Adam."""
import torch
from torch.nn import functional
from fastai.text.all import AWD_LSTM, awd_lstm_lm_config, get_language_model, set_seed

from protocol import Computation, serve

ALPHA, BETA, CLIP, RATE = 2.0, 1.0, 0.25, 1e-3
WINDOWS = 8


def build(workload):
    sizes, batch, chunk = workload["sizes"], workload["batch"], workload["chunk"]
    vocabulary = sizes["vocabulary"]
    computation = Computation(workload)
    set_seed(0)
    config = dict(awd_lstm_lm_config, emb_sz=sizes["embedding"], n_hid=sizes["hidden"], n_layers=sizes["layers"])
    model = get_language_model(AWD_LSTM, vocabulary, config=config).to(computation.device)
    model.train()
    model.reset()
    optimizer = torch.optim.Adam(model.parameters(), RATE, betas=(0.7, 0.99), eps=1e-5, fused=True)
    ids = torch.randint(9, vocabulary, (batch, WINDOWS * chunk + 1), device=computation.device)
    done = 0

    def step():
        nonlocal done
        first = done % WINDOWS * chunk
        done += 1
        x, y = ids[:, first : first + chunk], ids[:, first + 1 : first + chunk + 1]
        with computation.autocast():
            decoded, raw, dropped = model(x)
        decoded, raw, dropped = decoded.float(), raw.float(), dropped.float()
        loss = functional.cross_entropy(decoded.view(-1, vocabulary), y.reshape(-1))
        loss = loss + ALPHA * dropped.pow(2).mean() + BETA * (raw[:, 1:] - raw[:, :-1]).pow(2).mean()
        computation.scaler.scale(loss).backward()
        computation.scaler.unscale_(optimizer)
        torch.nn.utils.clip_grad_norm_(model.parameters(), CLIP)
        computation.scaler.step(optimizer)
        computation.scaler.update()
        optimizer.zero_grad()
        return loss.detach()

    def run(steps):
        for _ in steps:
            loss = step()
        assert loss.isfinite(), "the loss is not finite"  # waits for the device

    return run


serve(build)
