"""What the golden makers share: our names and layouts for PyTorch's tensors, random weights, and the file format."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from unittest.mock import patch

import numpy
import torch
from fastai.text.models import awdlstm
from fastai.text.models.awdlstm import AWD_LSTM
from safetensors.numpy import save_file

GOLDEN = Path(__file__).parent / "golden"

# Small enough to read, and no two sizes alike, so that a transposed tensor cannot pass.
VOCABULARY, EMBEDDING, HIDDEN, LAYERS = 40, 12, 16, 3
PADDING_ID = 1


def set_up(seed: int) -> torch.Generator:
    """One thread and one seed: the same machine writes the same bytes again. fastai draws its masks from the global one."""
    torch.set_num_threads(1)
    torch.manual_seed(seed)
    return torch.Generator().manual_seed(seed)


def uniform(generator: torch.Generator, shape: tuple[int, ...], low: float, high: float) -> torch.Tensor:
    """Draws multiples of 1/1024 in float64. They, and sums of two of them, are exact in float32."""
    steps = torch.randint(round(low * 1024), round(high * 1024) + 1, shape, generator=generator)
    return steps.to(torch.float64) / 1024


def our_gates(gates: torch.Tensor) -> torch.Tensor:
    """PyTorch's gate blocks i, f, g, o along the first axis, in our order: i, c (PyTorch's g), f, o."""
    input_gate, forget_gate, candidate, output_gate = gates.chunk(4, dim=0)
    return torch.cat([input_gate, candidate, forget_gate, output_gate], dim=0)


def our_matrix(weight: torch.Tensor) -> torch.Tensor:
    """PyTorch's [4h, in] for column vectors as our [in, 4h] for row vectors, gates in our order."""
    return our_gates(weight).t()


def their_matrix(weight: torch.Tensor) -> torch.Tensor:
    """The way back: exchanging two blocks a second time restores them."""
    return our_gates(weight.t())


def lstm_parameters(encoder: AWD_LSTM, layer: int) -> dict[str, torch.nn.Parameter]:
    """The parameters of one layer by PyTorch's names. fastai keeps the undropped recurrent weights as `_raw`."""
    dropped = encoder.rnns[layer]
    return {
        "weight_ih": dropped.module.weight_ih_l0,
        "weight_hh": dropped.weight_hh_l0_raw,
        "bias_ih": dropped.module.bias_ih_l0,
        "bias_hh": dropped.module.bias_hh_l0,
    }


@torch.no_grad()
def randomize_encoder(encoder: AWD_LSTM, generator: torch.Generator, spread: float) -> None:
    """Fills the encoder with weights far larger than fastai's initial ones, so that no gate is nearly linear."""
    encoder.encoder.weight.copy_(uniform(generator, tuple(encoder.encoder.weight.shape), -1.0, 1.0))
    for layer in range(LAYERS):
        for parameter in lstm_parameters(encoder, layer).values():
            parameter.copy_(uniform(generator, tuple(parameter.shape), -spread, spread))


def train_without_dropout(model: torch.nn.Module, encoder: AWD_LSTM) -> None:
    """Training mode for all but weight drop: PyTorch's dropout at rate 0 hands back the parameter itself, not a copy of
    it, and fastai's WeightDropout then registers it a second time and cannot be reset."""
    model.train()
    for dropped in encoder.rnns:
        dropped.eval()


@contextmanager
def given_masks(masks: Iterator[torch.Tensor]):
    """Lets fastai drop by these masks instead of its own, in the order in which it draws: embedding, input, then per layer
    the recurrent weights and (not after the last one) the hidden, then a language model's output. None may be left over."""

    def take(shape) -> torch.Tensor:
        mask = next(masks)
        assert tuple(mask.shape) == tuple(shape), f"fastai wants a mask of {tuple(shape)}, not {tuple(mask.shape)}"
        return mask

    drawn = patch.object(awdlstm, "dropout_mask", lambda x, size, p: take(size))
    weights = patch.object(awdlstm.F, "dropout", lambda weight, p: weight * take(weight.shape))
    with drawn, weights:
        yield
    assert next(masks, None) is None


def encoder_weights(encoder: AWD_LSTM) -> dict[str, torch.Tensor]:
    """The encoder's weights under our names. Our one bias is the sum of PyTorch's two."""
    weights = {"embedding.weight": encoder.encoder.weight}
    for layer in range(LAYERS):
        parameters = lstm_parameters(encoder, layer)
        weights[f"lstm.{layer}.inputWeights"] = our_matrix(parameters["weight_ih"])
        weights[f"lstm.{layer}.recurrentWeights"] = our_matrix(parameters["weight_hh"])
        weights[f"lstm.{layer}.bias"] = our_gates(parameters["bias_ih"] + parameters["bias_hh"])
    return weights


def encoder_gradients(encoder: AWD_LSTM) -> dict[str, torch.Tensor]:
    """The gradients under our names. The gradient of a sum is the gradient of either term."""
    gradients = {"embedding.weight": encoder.encoder.weight.grad}
    for layer in range(LAYERS):
        parameters = lstm_parameters(encoder, layer)
        torch.testing.assert_close(parameters["bias_ih"].grad, parameters["bias_hh"].grad, rtol=1e-12, atol=1e-14)
        gradients[f"lstm.{layer}.inputWeights"] = our_matrix(parameters["weight_ih"].grad)
        gradients[f"lstm.{layer}.recurrentWeights"] = our_matrix(parameters["weight_hh"].grad)
        gradients[f"lstm.{layer}.bias"] = our_gates(parameters["bias_ih"].grad)
    return gradients


def prefixed(prefix: str, tensors: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    return {f"{prefix}.{name}": tensor for name, tensor in tensors.items()}


def save_golden(name: str, tensors: dict[str, torch.Tensor], facts: dict) -> None:
    """Writes golden/<name>.safetensors: float64 as F32, whole numbers as I32, the facts as one JSON string.

    One metadata key, because the library writes several in a different order each time."""
    arrays = {}
    for tensor_name, tensor in tensors.items():
        array = tensor.detach().numpy()
        target = numpy.float32 if array.dtype == numpy.float64 else numpy.int32
        assert array.dtype in (numpy.float64, numpy.int64), f"{tensor_name} is {array.dtype}"
        assert numpy.isfinite(array).all(), f"{tensor_name} has a value that is not finite"
        if is_input(tensor_name):
            assert (array.astype(target) == array).all(), f"{tensor_name} is not exact in {target.__name__}"
        arrays[tensor_name] = numpy.ascontiguousarray(array.astype(target)).reshape(array.shape)
    GOLDEN.mkdir(exist_ok=True)
    path = GOLDEN / f"{name}.safetensors"
    save_file(arrays, path, metadata={"facts": json.dumps(facts)})
    path.chmod(0o644)
    size = path.stat().st_size
    assert size < 300_000, f"{path} has {size} bytes"
    print(f"{path.name}: {len(arrays)} tensors, {size} bytes")


def is_input(name: str) -> bool:
    """What the trainer under test is given, rather than what it must find."""
    return any(part in ("weights", "ids", "targets", "labels", "lengths", "masks", "start", "given") for part in name.split("."))
