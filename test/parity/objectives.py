"""Makes the golden of a classifier's objectives with PyTorch's and fastai's: losses, and their gradients in the logits.

Needs only what requirements.txt names: python objectives.py
"""

import torch
import torch.nn.functional as F
from fastai.layers import SigmoidRange

import formula
from common import save_golden, set_up

DOCUMENTS, LABELS, BOUND, RANGE = 6, 4, 8.0, (1.0, 5.0)
LABEL_WEIGHTS = [3.0, 1.0, 0.5, 2.0]


def make_golden() -> None:
    weights = torch.tensor(LABEL_WEIGHTS, dtype=torch.float64)
    classes = formula.integers("classes", (DOCUMENTS,), 0, LABELS)
    several = formula.integers("several", (DOCUMENTS, LABELS), 0, 2).double()
    numbers = formula.uniform("numbers", (DOCUMENTS, 1), 2.0) + 3
    logits = {"labels": formula.uniform("logits", (DOCUMENTS, LABELS), BOUND), "number": formula.uniform("answers", (DOCUMENTS, 1), 4.0)}
    losses = {
        "singleLabel": ("labels", lambda z: F.cross_entropy(z, classes)),
        "singleLabel.weighted": ("labels", lambda z: F.cross_entropy(z, classes, weight=weights)),
        "multiLabel": ("labels", lambda z: F.binary_cross_entropy_with_logits(z, several)),
        "multiLabel.weighted": ("labels", lambda z: F.binary_cross_entropy_with_logits(z, several, pos_weight=weights)),
        "regression": ("number", lambda z: F.mse_loss(z, numbers)),
        "regression.range": ("number", lambda z: F.mse_loss(SigmoidRange(*RANGE)(z), numbers)),
    }
    tensors = {"given.classes": classes, "given.several": several, "given.numbers": numbers}
    tensors |= {f"given.logits.{name}": values for name, values in logits.items()}
    for name, (kind, loss_of) in losses.items():
        z = logits[kind].clone().requires_grad_()
        loss = loss_of(z)
        loss.backward()
        tensors |= {f"{name}.loss": loss, f"{name}.gradient": z.grad}
    save_golden("objectives", tensors, {"labelWeights": LABEL_WEIGHTS, "range": RANGE})


if __name__ == "__main__":
    set_up(0)
    make_golden()
