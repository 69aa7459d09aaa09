"""Writes golden/tokens.json.gz: what fastai's own pipeline makes of 2,000 documents, for tokens.test.ts.

    python test/parity/tokens.py [DATA_FOLDER] [--sample 20]

Without a data folder the texts in the golden file are tokenized anew, and the digests stay as they are.

The pipeline is the one that `TextBlock.from_df` uses: `tokenize_df` with `SpacyTokenizer('en')`, the default rules before
and after. Of texts in scripts without spaces fastai gets each character apart, and `▁` where a space was, for that is our one addition
(text/spacelessScripts.ts). Texts whose licence lets us pass them on stand in the golden file with their tokens: paragraphs of Wikipedia (CC
BY-SA 3.0), excerpts of movie reviews (CC BY 4.0), and made-up ones. Of the other sets in the data folder (IMDb, AG News,
20 Newsgroups, TREC) every `--sample`-th document is there as its line number and a digest of its tokens alone.
"""
import argparse, gzip, hashlib, importlib.metadata, json, platform, re, sys, unicodedata
from html.entities import html5
from pathlib import Path

import pandas, spacy
from fastai.text.core import SpacyTokenizer, tokenize_df
from spacy.lang import char_classes
from spacy.symbols import ORTH

from synthetic import synthetic_documents

REVIEWS, ENCYCLOPEDIA, WIKITEXT, SYNTHETIC = 250, 700, 150, 900
NOT_OURS_TO_PASS_ON = {  # file in the data folder: columns of text
    'imdb/train.jsonl.br': ['text'],
    'ag-news/train-first-rows.jsonl.br': ['title', 'text'],
    '20newsgroups/train.jsonl.br': ['text'],
    'trec/train.jsonl.br': ['text'],
}


LETTER = r'\u0e01-\u0e30\u0e32\u0e40-\u0e46\u3005-\u3007\u3041-\u3096\u30a1-\u30fa\u30fc\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff'  # Thai, Japanese, Chinese
MARK = r'\u0e31\u0e33-\u0e3a\u0e47-\u0e4e'


def set_apart(text):
    """Spaces around each character of a script without spaces; the spaces that were beside one become `▁`."""
    text = re.sub(rf'(?<=[{LETTER}{MARK}]) (?=\S)|(?<=\S) (?=[{LETTER}])', ' ▁ ', text)
    return re.sub(rf'(?<=\S)(?=[{LETTER}])|(?<=[{LETTER}{MARK}])(?=[^\s{MARK}])', ' ', text)


def lines(folder, name):
    import brotli  # only a data folder needs it

    return brotli.decompress((folder / name).read_bytes()).decode('utf8').rstrip('\n').split('\n')


def spread(items, count):
    return [items[i * len(items) // count] for i in range(count)]


def tokens_of(records):
    """Tokens of each record, a list of its texts; fastai marks fields where there are several."""
    columns = [f'column{i}' for i in range(len(records[0]))]
    frame = pandas.DataFrame([[set_apart(text) for text in record] for record in records], columns=columns, dtype=object)
    tokenized, _ = tokenize_df(frame, columns, n_workers=0, tok=SpacyTokenizer('en'))
    return [' '.join(tokens) for tokens in tokenized['text']]


def free_documents(folder):
    reviews = [json.loads(line)['text'] for line in spread(lines(folder, 'movie-reviews-2000/all.jsonl.br'), REVIEWS)]
    excerpts = [text[: text.find('\n', 900) + 1] or text for text in reviews]
    paragraphs = [line for line in lines(folder, 'wiki-en-2015/train-00.txt.br') if len(line) > 60]
    wikitext = [line for line in lines(folder, 'wikitext-2/wiki.train.tokens.br') if len(line) > 60]
    yield from (('movie reviews', text) for text in excerpts)
    yield from (('encyclopedia', text) for text in spread(paragraphs, ENCYCLOPEDIA))
    yield from (('wikitext', text) for text in spread(wikitext, WIKITEXT))
    yield from synthetic_documents(SYNTHETIC)


def digests(folder, name, columns, sample):
    """Line number to the first 16 hexadecimal digits of the SHA-256 of the tokens, apart by spaces."""
    chosen = list(enumerate(lines(folder, name)))[::sample]
    tokens = tokens_of([[json.loads(line)[column] for column in columns] for _, line in chosen])
    return {str(number): hashlib.sha256(text.encode()).hexdigest()[:16] for (number, _), text in zip(chosen, tokens)}


def members(character_class):
    """The code points of a character class of spaCy, as ranges."""
    inside, ranges = re.compile(f'[{character_class}]'), []
    for point in filter(lambda point: inside.match(chr(point)), range(sys.maxunicode + 1)):
        if ranges and ranges[-1][1] == point - 1: ranges[-1][1] = point
        else: ranges.append([point, point])
    return ranges


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('data', type=Path, nargs='?')
    parser.add_argument('--sample', type=int, default=20)
    parser.add_argument('--output', type=Path, default=Path(__file__).parent / 'golden' / 'tokens.json.gz')
    a = parser.parse_args()

    before = json.loads(gzip.decompress(a.output.read_bytes())) if a.output.exists() else None
    if a.data is None and before is None: parser.error(f'{a.output} does not exist: its texts come from a data folder.')
    documents = [(d['source'], d['text']) for d in before['documents']] if a.data is None else list(free_documents(a.data))
    golden = {
        'made with': {package: importlib.metadata.version(package) for package in ('fastai', 'spacy')}
        | {'python': platform.python_version(), 'unicode': unicodedata.unidata_version},
        'documents': [{'source': source, 'text': text, 'tokens': tokens}
                      for (source, text), tokens in zip(documents, tokens_of([[text] for _, text in documents]))],
        'digests': before['digests'] if a.data is None else
                   {name: {'columns': columns, 'lines': digests(a.data, name, columns, a.sample)}
                    for name, columns in NOT_OURS_TO_PASS_ON.items()},
        'entities': html5,
        'exceptions': {text: [token[ORTH] for token in tokens] for text, tokens in spacy.blank('en').tokenizer.rules.items()},
        'classes': {name: members(getattr(char_classes, name))
                    for name in ('ALPHA', 'ALPHA_LOWER', 'ALPHA_UPPER', 'ICONS', 'CONCAT_QUOTES')},
    }
    # Another zlib packs the same content into other bytes: a file that holds it already stays as it is.
    if golden != before: a.output.write_bytes(gzip.compress(json.dumps(golden, ensure_ascii=False).encode(), 9, mtime=0))
    print(f"{a.output}: {len(golden['documents'])} documents, {sum(d['tokens'].count(' ') + 1 for d in golden['documents'])} tokens, "
          f"{sum(len(d['lines']) for d in golden['digests'].values())} digests, {a.output.stat().st_size} bytes")


if __name__ == '__main__':
    main()
