"""How a peer talks to its parent: one JSON object a line, as benchmark/protocol.ts says."""
import importlib.metadata
import json
import platform
import sys
import time

import torch

TYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


class Computation:
    """Device, precision and threads of a workload."""

    def __init__(self, workload):
        self.device = "cuda" if workload["device"] == "gpu" else "cpu"
        self.type = TYPES[workload["precision"]]
        # 16-bit floats underflow without a scaled loss; the others need none.
        self.scaler = torch.amp.GradScaler(self.device, enabled=self.type == torch.float16)
        torch.set_num_threads(workload["threads"])
        torch.set_float32_matmul_precision("high")  # TF32 on GPUs, as TensorFlow does
        torch.backends.cudnn.allow_tf32 = True

    def autocast(self):
        return torch.autocast(self.device, self.type, enabled=self.type != torch.float32)


def serve(build, packages=("torch", "fastai")):
    """Reads the workload, builds the work (`run(steps)` does steps and may give figures), then runs what is asked for until standard input ends."""
    answers, sys.stdout = sys.stdout, sys.stderr  # what libraries print must not look like an answer
    run = build(json.loads(sys.stdin.readline()))
    versions = {name: importlib.metadata.version(name) for name in packages}
    print(json.dumps({"ready": {"python": platform.python_version(), **versions}}), file=answers, flush=True)
    for line in sys.stdin:
        steps = json.loads(line)["run"]
        start = time.perf_counter()
        figures = run(steps) or {}
        print(json.dumps({"seconds": time.perf_counter() - start, **figures}), file=answers, flush=True)
