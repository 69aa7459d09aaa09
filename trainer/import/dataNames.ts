import { type AllowedNames, described, type Maker } from './pythonName.ts';

/*
 * The Python names that stand for plain data. No maker copies a list it is given: a pickle can name one long list a million times.
 */

const orderedDict: Maker = (args, fail) => (args.length === 0 ? new Map() : fail('fills an ordered dictionary when it is made'));

/** A dictionary with a function for what it lacks. The function is left out. */
const defaultDict: Maker = ([, items]) => (items instanceof Map ? items : new Map());

/** Types of plain values. Their names stand in pickles, as a default dictionary's function or a type of numbers. */
const BUILTINS = [
  'bool',
  'bytes',
  'complex',
  'dict',
  'float',
  'frozenset',
  'int',
  'list',
  'object',
  'range',
  'set',
  'slice',
  'str',
  'tuple',
];

/** numpy's numbers in an optimizer's settings (numpy 2 has moved them). */
const NUMPY = ['numpy', 'numpy.core', 'numpy._core'].flatMap((root) =>
  root === 'numpy' ? ['numpy.ndarray', 'numpy.dtype'] : [`${root}.multiarray.scalar`, `${root}.multiarray._reconstruct`],
);

/** fastai's and fastcore's containers: an optimizer's settings, the labels of a classifier, the vocabulary of fastai 1. */
export const FASTAI_LIST = 'fastcore.foundation.L';
export const FASTAI_CATEGORIES = 'fastai.data.transforms.CategoryMap';
export const FASTAI_VOCABULARY = 'fastai.text.transform.Vocab';

/** What may stand in any file: plain data, and numpy's and fastai's containers as descriptions (`PythonObject`). */
export const DATA_NAMES: AllowedNames = new Map<string, Maker | undefined>([
  ['collections.OrderedDict', orderedDict],
  ['collections.defaultdict', defaultDict],
  ...[
    ...['builtins', '__builtin__'].flatMap((module) => BUILTINS.map((name) => `${module}.${name}`)),
    ...NUMPY,
    '_codecs.encode', // numpy's numbers in protocol 2: how their bytes were written
    FASTAI_LIST,
    FASTAI_CATEGORIES,
    FASTAI_VOCABULARY,
  ].map((name): [string, Maker] => [name, described(name)]),
]);
