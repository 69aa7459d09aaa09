"""The methods: texts and labels to learn from in, texts to answer, labels out.

Settings are what the methods' own documentation gives to beginners, where it helps the method better than that; none was chosen on the test
documents. A setting that depends on the number of documents says so.
"""

import os
import tempfile
from functools import cache

import numpy as np
from sklearn.feature_extraction.text import CountVectorizer, TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import LabelBinarizer
from sklearn.svm import LinearSVC

SEED = 1

#: Words and pairs of words, one letter or mark being a word too: questions hang on "Who", reviews on "!".
WORDS = {"ngram_range": (1, 2), "sublinear_tf": True, "token_pattern": r"(?u)\b\w+\b|[^\w\s]", "strip_accents": "unicode"}


def tfidf_logistic_regression(texts, labels, asked):
    """Counted words and word pairs, weighted by how rare they are, and logistic regression."""
    model = make_pipeline(TfidfVectorizer(**WORDS), LogisticRegression(C=10, max_iter=1000, random_state=SEED))
    return model.fit(texts, labels).predict(asked)


def tfidf_linear_svc(texts, labels, asked):
    """The same with a linear support vector machine."""
    model = make_pipeline(TfidfVectorizer(**WORDS), LinearSVC(C=1, random_state=SEED))
    return model.fit(texts, labels).predict(asked)


def nb_svm(texts, labels, asked):
    """Wang & Manning (2012): words that are there, weighted by how much likelier they are with a label than without, and for each label
    a logistic regression against the others (theirs is a support vector machine; this one is as good and surer to converge)."""
    counter = CountVectorizer(ngram_range=(1, 2), token_pattern=WORDS["token_pattern"], strip_accents="unicode", binary=True)
    there, there_asked = counter.fit_transform(texts), counter.transform(asked)
    binarizer = LabelBinarizer()
    targets = binarizer.fit_transform(labels)
    if targets.shape[1] == 1:  # of two labels there is one column
        targets = np.hstack([1 - targets, targets])
    scores = np.empty((len(asked), len(binarizer.classes_)))
    for column, target in enumerate(targets.T):
        with_label, without = (1 + np.asarray(there[target == value].sum(axis=0))[0] for value in (1, 0))
        ratio = np.log((with_label / with_label.sum()) / (without / without.sum()))
        model = LogisticRegression(C=4, max_iter=1000, random_state=SEED).fit(there.multiply(ratio).tocsr(), target)
        scores[:, column] = model.decision_function(there_asked.multiply(ratio).tocsr())
    return binarizer.classes_[scores.argmax(axis=1)]


#: Passes over the documents, so that few labels get enough steps: fastText's tutorial has 25 for 12,000 documents.
FASTTEXT_STEPS = 300_000


def fasttext(texts, labels, asked):
    """Joulin et al. (2017), with pairs of words, and the rate of fastText's tutorial."""
    import fasttext as library

    names = sorted(set(labels))
    spaced = [" ".join(CountVectorizer(token_pattern=WORDS["token_pattern"]).build_analyzer()(text)) for text in (*texts, *asked)]
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "train.txt")
        with open(path, "w", encoding="utf8") as file:
            for text, label in zip(spaced, labels):
                file.write(f"__label__{names.index(label)} {text}\n")
        epochs = max(5, min(100, FASTTEXT_STEPS // len(texts)))
        # One thread: with several, each run gives another result.
        model = library.train_supervised(path, lr=0.5, epoch=epochs, wordNgrams=2, dim=100, thread=1, seed=SEED, verbose=0)
    answers, _ = model.predict(spaced[len(texts) :])
    return [names[int(answer[0].removeprefix("__label__"))] if answer else names[0] for answer in answers]


@cache
def minilm():
    """all-MiniLM-L6-v2 from a package that has its weights in it."""
    from all_minilm_l6_v2 import extract_model
    from sentence_transformers import SentenceTransformer

    folder = os.path.join(tempfile.gettempdir(), "baselines-minilm")
    return SentenceTransformer(str(extract_model(folder)), device="cpu")


_embedded = {}


def embedded(texts):
    """Embeddings, computed once for each text: draws share their documents."""
    missing = [text for text in dict.fromkeys(texts) if text not in _embedded]
    if missing:
        _embedded.update(zip(missing, minilm().encode(missing, batch_size=64, show_progress_bar=False, normalize_embeddings=True)))
    return np.array([_embedded[text] for text in texts])


def minilm_logistic_regression(texts, labels, asked):
    """Sentence embeddings (the first 256 word pieces of a text count), and logistic regression."""
    model = LogisticRegression(C=10, max_iter=1000, random_state=SEED).fit(embedded(texts), labels)
    return model.predict(embedded(asked))


#: By name, in the order of the table.
METHODS = {
    "tfidf-lr": tfidf_logistic_regression,
    "tfidf-svc": tfidf_linear_svc,
    "nb-svm": nb_svm,
    "fasttext": fasttext,
    "minilm-lr": minilm_logistic_regression,
}
