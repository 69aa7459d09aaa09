/** A public set of labelled documents, as the tables name it. */
export interface KnownSet {
  readonly title: string;
  /** Accuracy of Howard & Ruder (2018), both directions together, on the official test part: of another size of model, and other documents. */
  readonly paper?: number;
}

/** By the name of their folders. Any other set is shown under its folder's name. */
export const KNOWN_SETS: Readonly<Record<string, KnownSet>> = {
  imdb: { title: 'IMDb: reviews, good or bad', paper: 0.954 },
  trec: { title: 'TREC-6: questions of six kinds', paper: 0.964 },
  'ag-news': { title: 'AG News: four kinds of news', paper: 0.9499 },
  '20newsgroups': { title: '20 Newsgroups, without headers, quotes and signatures' },
  'movie-reviews': { title: 'Movie reviews (polarity 2.0), ten folds' },
};

/** Methods by their name in records, in the order of the tables, and what people call them. */
export const METHODS: Readonly<Record<string, string>> = {
  'tfidf-lr': 'TF-IDF + logistic regression',
  'tfidf-svc': 'TF-IDF + linear SVC',
  'nb-svm': 'NB-SVM',
  fasttext: 'fastText',
  'minilm-lr': 'MiniLM embeddings + logistic regression',
  'scratch-forward': 'the same network from scratch',
  'ulmfit-forward': '**ULMFiT**, forward',
  'ulmfit-backward': '**ULMFiT**, backward',
  'ulmfit-both': '**ULMFiT**, both',
};
