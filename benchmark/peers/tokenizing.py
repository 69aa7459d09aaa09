"""Tokenizing in fastai: SpacyTokenizer (spaCy's blank English) with fastai's default rules, a fresh one each time, because spaCy remembers words."""
import json

from fastai.text.all import SpacyTokenizer, parallel_tokenize

from protocol import serve


def build(work):
    with open(work["documents"], encoding="utf8") as lines:
        documents = [json.loads(line) for line in lines]
    # 0 tokenizes in this process; worker processes are started, and ended, within the time.
    workers = work["threads"] if work["threads"] > 1 else 0

    def run(steps):
        for _ in steps:
            tokenized = parallel_tokenize(documents, SpacyTokenizer("en"), n_workers=workers)
            tokens = sum(len(words) for _, words in tokenized)
        return {"tokens": tokens}

    return run


serve(build, packages=("fastai", "spacy"))
