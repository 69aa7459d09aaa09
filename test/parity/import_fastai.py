"""Makes golden/import-fastai/: small models as fastai 2, fastai 1 and fastai 0.7 save them, the answers of each, and files that would run
something in Python. Needs only what requirements.txt names: python import_fastai.py

All weights are multiples of 1/64, which every type of number that PyTorch has for weights holds exactly.
"""

import os
import pickle
import random
import shutil
import struct
import tempfile
import zipfile
from collections import OrderedDict
from pathlib import Path
from unittest.mock import patch

import pandas
import torch
import fastai.callback.schedule  # noqa: F401, gives learners fit_one_cycle
from fastai.data.block import CategoryBlock, DataBlock
from fastai.data.transforms import ColReader, ColSplitter
from fastai.learner import save_model
from fastai.text.core import BaseTokenizer
from fastai.text.data import TextBlock
from fastai.text.learner import language_model_learner, text_classifier_learner
from fastai.text.models.awdlstm import AWD_LSTM, awd_lstm_clas_config, awd_lstm_lm_config

from common import GOLDEN, save_golden, set_up

FOLDER = GOLDEN / "import-fastai"
SEED = 1801
EMBEDDING, HIDDEN, LAYERS = 6, 10, 3
SIZES = {"emb_sz": EMBEDDING, "n_hid": HIDDEN, "n_layers": LAYERS}
IDS = [2, 8, 9, 12, 10, 0, 17, 11, 20, 9, 13, 21, 3]
DOCUMENTS = [[2, 9, 10, 15, 20], [2, 8, 12, 12, 16, 11, 10, 9, 21, 19, 14, 13, 18], [2, 17]]
MARKER = "this-ran"

WORDS = ["the", "film", "is", "good", "bad", "a", "plot", ".", ",", "and", "of", "dull", "fine"]
VERSION_2 = ["xxunk", "xxpad", "xxbos", "xxeos", "xxfld", "xxrep", "xxwrep", "xxup", "xxmaj", *WORDS, "xxfake", "xxfake"]
VERSION_1 = ["xxunk", "xxpad", "xxbos", "xxeos", "xxfld", "xxmaj", "xxup", "xxrep", "xxwrep", *WORDS, "café", "\n\n"]
VERSION_07 = ["_unk_", "_pad_", *WORDS, "t_up", "tk_rep", "tk_wrep", "t_st", "<eos>", "\n", "世界", "--", "'s"]
assert len(VERSION_2) == len(VERSION_1) == len(VERSION_07) == 24


def exact(shape: tuple[int, ...], generator: torch.Generator) -> torch.Tensor:
    return torch.randint(-64, 65, shape, generator=generator).float() / 64


@torch.no_grad()
def randomize(model: torch.nn.Module, generator: torch.Generator) -> None:
    for parameter in model.parameters():
        parameter.copy_(exact(tuple(parameter.shape), generator))
    for name, buffer in model.named_buffers():
        if name.endswith("running_mean"):
            buffer.copy_(exact(tuple(buffer.shape), generator))
        if name.endswith("running_var"):
            buffer.copy_(exact(tuple(buffer.shape), generator).abs() + 0.5)


def blocks(is_language_model: bool) -> list:
    text = TextBlock.from_df(
        "text", vocab=VERSION_2, is_lm=is_language_model, seq_len=5, tok=BaseTokenizer(), rules=[], n_workers=0,
    )
    return [text] if is_language_model else [text, CategoryBlock]


def data(is_language_model: bool):
    table = pandas.DataFrame({
        "text": ["the film is good , and the plot is fine .", "a dull film .", "the plot of the film is bad .", "fine , a good film ."],
        "label": ["positive", "negative", "negative", "positive"],
        "is_valid": [False, False, False, True],
    })
    getters = {} if is_language_model else {"get_y": ColReader("label")}
    block = DataBlock(blocks=blocks(is_language_model), get_x=ColReader("text"), splitter=ColSplitter(), **getters)
    return block.dataloaders(table, bs=2, seq_len=5, num_workers=0)


def language_learner(generator: torch.Generator):
    """A learner whose optimizer has taken a step, so that it has a state to save; then weights that are exact."""
    learner = language_model_learner(data(True), AWD_LSTM, config=awd_lstm_lm_config | SIZES, pretrained=False, path=Path("."))
    with learner.no_bar(), learner.no_logging():
        learner.fit_one_cycle(1, 1e-3)
    learner.model.eval()
    learner.model.reset()
    randomize(learner.model, generator)
    learner.model.reset()  # the copies of the recurrent weights
    return learner


@torch.no_grad()
def answers(model: torch.nn.Module, ids: list[int]) -> torch.Tensor:
    """In float64, which the model stays in."""
    model.double().eval()
    model.reset()
    return model(torch.tensor([ids]))[0][0]


def save_version_2(learner) -> None:
    """What fastai 2 writes: learn.save with and without the optimizer, learn.save_encoder, and the vocabulary."""
    path = FOLDER / "learner.pth"
    save_model(path, learner.model, learner.opt)
    torch.save(learner.model[0].state_dict(), FOLDER / "encoder.pth")
    weights = learner.model.state_dict()
    torch.save(OrderedDict((name, tensor.half()) for name, tensor in weights.items()), FOLDER / "half.pth")
    torch.save(OrderedDict((name, tensor.bfloat16()) for name, tensor in weights.items()), FOLDER / "brainFloat.pth")
    torch.save(views(weights), FOLDER / "views.pth")
    with open(FOLDER / "version2.pkl", "wb") as file:
        pickle.dump(learner.dls.vocab, file)


def views(weights: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """The same weights as views: transposed storage, a column of a wider matrix, slices of one long vector; some in float64."""
    result = {}
    biases = [name for name in weights if "bias" in name]
    together = torch.cat([torch.tensor([7.0, 7.0])] + [weights[name] for name in biases])
    start = 2
    for name in biases:
        result[name] = together[start : start + len(weights[name])]
        start += len(weights[name])
    for name, tensor in weights.items():
        if "weight_ih" in name:
            result[name] = tensor.t().contiguous().t()
        elif "weight_hh" in name:
            wide = torch.full((tensor.shape[0], 2 * tensor.shape[1] + 3), 9.0, dtype=torch.float64)
            wide[:, 1 : 1 + tensor.shape[1]] = tensor
            result[name] = wide[:, 1 : 1 + tensor.shape[1]]
        elif "bias" not in name:
            result[name] = tensor.clone() if name == "1.decoder.weight" else tensor
    return result


class StorageKey(str):
    """Stands for `str` where torch.save names storages: numbers in the order they are met, not addresses, so that the bytes stay the same."""

    met: list[int] = []

    def __new__(cls, address: int) -> str:
        if address not in cls.met:
            cls.met.append(address)
        return f"{94000000000000 + cls.met.index(address)}"


def save_old_format(content, path: Path) -> None:
    """torch.save as before PyTorch 1.6."""
    StorageKey.met.clear()
    with open(path, "wb") as file, patch.object(torch.serialization, "str", StorageKey, create=True):
        torch.save(content, file, _use_new_zipfile_serialization=False)


def save_version_1(learner) -> None:
    """fastai 1: the recurrent weights once more as dropout has left them, the optimizer of PyTorch, and the format before PyTorch 1.6."""
    weights = learner.model.state_dict()
    renamed = OrderedDict()
    for name, tensor in weights.items():
        renamed[name] = tensor
        if name.endswith("_raw"):
            renamed[name.replace(".weight_hh_l0_raw", ".module.weight_hh_l0")] = tensor * (exact(tuple(tensor.shape), torch.Generator().manual_seed(1)) > 0)
    optimizer = torch.optim.Adam([torch.nn.Parameter(tensor.clone()) for tensor in list(weights.values())[-2:]], lr=1e-3)
    state = {"model": renamed, "opt": optimizer.state_dict()}
    save_old_format(state, FOLDER / "version1.pth")
    with open(FOLDER / "version1.pkl", "wb") as file:
        pickle.dump(VERSION_1, file)


def save_version_07(learner) -> None:
    """fastai 0.7: other names, no bias of the decoder, and the format before PyTorch 1.6."""
    renamed = OrderedDict()
    for name, tensor in learner.model.state_dict().items():
        name = name.replace("encoder_dp.emb", "encoder_with_dropout.embed").replace(".weight_hh_l0_raw", ".module.weight_hh_l0_raw")
        if name != "1.decoder.bias":
            renamed[name] = tensor
    save_old_format(renamed, FOLDER / "version07.h5")
    with open(FOLDER / "version07.pkl", "wb") as file:
        pickle.dump(VERSION_07, file, protocol=2)


def save_classifier(generator: torch.Generator) -> torch.Tensor:
    learner = text_classifier_learner(data(False), AWD_LSTM, config=awd_lstm_clas_config | SIZES, pretrained=False, seq_len=72, path=Path("."))
    randomize(learner.model, generator)
    learner.model.reset()
    save_model(FOLDER / "classifier.pth", learner.model, learner.opt, with_opt=False)
    with open(FOLDER / "classifier.pkl", "wb") as file:
        pickle.dump(learner.dls.vocab, file)
    return torch.stack([answers(learner.model, document) for document in DOCUMENTS])


COMMAND = f"echo > {MARKER}"


class Calls:
    """Pickled as a call: loading it calls the function."""

    def __init__(self, function, *args):
        self.call = (function, args)

    def __reduce__(self):
        return self.call


class Trap:
    """Loading it calls __setstate__ with what the pickle says."""

    def __setstate__(self, state):
        os.system(state["command"])


def save_malicious(learner) -> None:
    weights = learner.model.state_dict()
    evaluated = f"__import__('os').system({COMMAND!r})"
    torch.save({**weights, "1.decoder.bias": Calls(os.system, COMMAND)}, FOLDER / "malicious-reduce.pth")
    torch.save({"model": {}, "opt": {"state": [{"step": Calls(eval, evaluated)}]}}, FOLDER / "malicious-optimizer.pth")
    save_old_format(Calls(exec, f"import os; os.system({COMMAND!r})"), FOLDER / "malicious-old-format.pth")
    trap = Trap()
    trap.command = COMMAND
    torch.save({"model": trap}, FOLDER / "malicious-setstate.pth")
    text = b"X" + struct.pack("<I", len(COMMAND)) + COMMAND.encode()
    by_hand = {
        "inst": b"\x80\x02(" + text + b"iposix\nsystem\n.",
        "obj": b"\x80\x02(cposix\nsystem\n" + text + b"o.",
        "stack-global": b"\x80\x04\x8c\x05posix\x8c\x06system\x93" + text + b"\x85R.",
    }
    for name, program in by_hand.items():
        write_archive(FOLDER / f"malicious-{name}.pth", program)
    with open(FOLDER / "malicious-vocabulary.pkl", "wb") as file:
        pickle.dump([*VERSION_2[:-1], Calls(os.system, COMMAND)], file)
    check_malice()


def write_archive(path: Path, program: bytes) -> None:
    """The zip format of torch.save, with a description of our own."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        for name, content in {"data.pkl": program, "byteorder": b"little", "version": b"3\n"}.items():
            archive.writestr(zipfile.ZipInfo(f"archive/{name}"), content)


def check_malice() -> None:
    """Each of these files runs its command when Python loads it: else a test that nothing runs would say nothing."""
    home = os.getcwd()
    for path in sorted(FOLDER.glob("malicious-*")):
        with tempfile.TemporaryDirectory() as folder:
            os.chdir(folder)
            try:
                if path.suffix == ".pkl":
                    pickle.loads(path.read_bytes())
                else:
                    torch.load(path, weights_only=False)
            except Exception as error:
                # What a command gives back need not make a whole of the rest.
                print(f"{path.name}: {type(error).__name__}")
            finally:
                os.chdir(home)
            assert Path(folder, MARKER).exists(), f"{path.name} ran nothing"


def make_golden() -> None:
    generator = set_up(SEED)
    random.seed(SEED)  # fastai's order of batches
    shutil.rmtree(FOLDER, ignore_errors=True)
    FOLDER.mkdir(parents=True)
    learner = language_learner(generator)
    assert list(learner.dls.vocab) == VERSION_2
    save_version_2(learner)
    save_version_1(learner)
    save_version_07(learner)
    save_malicious(learner)
    logits = answers(learner.model, IDS)
    bias = learner.model[1].decoder.bias.detach().double()
    classes = save_classifier(generator)
    facts = {
        "sizes": {"embedding": EMBEDDING, "hidden": HIDDEN, "layers": LAYERS}, "marker": MARKER, "documents": DOCUMENTS,
        "tokens": {"version2": VERSION_2, "version1": VERSION_1, "version07": VERSION_07},
    }
    tensors = {"ids": torch.tensor(IDS), "logits": logits, "logits.withoutBias": logits - bias, "classifier.logits": classes}
    save_golden("import-fastai", tensors, facts)
    files = sorted(FOLDER.iterdir())
    for path in files:
        path.chmod(0o644)
    total = sum(path.stat().st_size for path in files)
    assert total < 280_000, f"{total} bytes"
    print(f"{FOLDER.name}/: {len(files)} files, {total} bytes")


if __name__ == "__main__":
    make_golden()
