"""Text classifiers that a user would try first, trained and judged on the same documents as ULMFiT.

    python baselines.py --train labels-100-*.jsonl --test test.jsonl

Every --train file is a draw of its own; the mean of their accuracies is printed. Files are JSON Lines with the label in "label" and
the text in "text" (or "text1", "text2", ...), as benchmark/results/prepare.ts writes them. With --out, each measurement is appended to a
file as a line of JSON, and what stands there already is not measured again.
"""

import argparse
import json
import shlex
import statistics
import sys
import time
from datetime import date
from pathlib import Path

from machine import machine
from methods import METHODS


def read(path):
    """The texts and labels of a JSON Lines file."""
    texts, labels = [], []
    with open(path, encoding="utf8") as lines:
        for number, line in enumerate(lines, 1):
            record = json.loads(line)
            fields = [record[name] for name in sorted(record) if name.startswith("text")]
            if not fields or "label" not in record:
                sys.exit(f'{path}:{number}: a line needs "label" and "text". Write the file with benchmark/results/prepare.ts.')
            texts.append("\n".join(fields))
            labels.append(str(record["label"]))
    return texts, labels


def measure(method, train, test):
    """Accuracy on the test documents, and the seconds that fitting and answering took."""
    started = time.perf_counter()
    answers = METHODS[method](*train, test[0])
    right = sum(answer == label for answer, label in zip(answers, test[1], strict=True))
    return right / len(test[1]), time.perf_counter() - started


def known(path):
    """What was measured before, by method and training file."""
    if path is None or not Path(path).exists():
        return {}
    records = [json.loads(line) for line in Path(path).read_text(encoding="utf8").splitlines()]
    return {(record["method"], record["train"]): record for record in records}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--train", nargs="+", required=True, metavar="FILE", help="labelled documents; each file is a draw")
    parser.add_argument("--test", required=True, metavar="FILE", help="documents to judge on")
    parser.add_argument("--methods", nargs="+", choices=METHODS, default=list(METHODS), help="default: all")
    parser.add_argument("--set", default="", help="name of the data set, for the table")
    parser.add_argument("--out", metavar="FILE", help="file to append measurements to")
    options = parser.parse_args()

    test = read(options.test)
    before = known(options.out)
    for method in options.methods:
        accuracies = []
        for path in options.train:
            name = Path(path).name
            record = before.get((method, name))
            if record is None:
                train = read(path)
                accuracy, seconds = measure(method, train, test)
                record = {
                    "set": options.set,
                    "method": method,
                    "train": name,
                    "labels": len(train[1]),
                    "accuracy": accuracy,
                    "documents": len(test[1]),
                    "seconds": round(seconds, 1),
                    "machine": machine(),
                    "date": date.today().isoformat(),
                    "command": shlex.join(["python", *sys.argv]),
                }
                if options.out is not None:
                    with open(options.out, "a", encoding="utf8") as file:
                        file.write(json.dumps(record, ensure_ascii=False) + "\n")
            accuracies.append(record["accuracy"])
        spread = f" [{min(accuracies):.1%} - {max(accuracies):.1%}]" if len(accuracies) > 1 else ""
        print(f"{method:12} {statistics.mean(accuracies):.1%}{spread}  ({len(test[1])} documents)", flush=True)


if __name__ == "__main__":
    main()
