import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { temporaryFolder } from '../../test/temporaryFolder.ts';
import { SPECIAL_TOKENS } from '../../text/specialTokens.ts';
import { FILLING_ROW, MEAN_ROW, planVocabulary, readFastaiVocabulary } from './fastaiVocabulary.ts';
import { bytesOf, int, pickle, text } from './testSupport.ts';

const read = async (content: Uint8Array | string) => readFastaiVocabulary(join(await temporaryFolder({ itos: content }), 'itos'));
const list = (...words: readonly string[]): string => `](${words.map(text).join('')}e`;
/** An object of a class with attributes. */
const object = (name: string, state: Readonly<Record<string, string>>): string =>
  `c${name}\n)\x81}(${Object.entries(state)
    .map(([key, value]) => text(key) + value)
    .join('')}ub`;

describe('a vocabulary may be', () => {
  const words = ['xxunk', 'café', '\n'];
  const nested = object('fastcore.foundation\nL', {
    items: `](${list(...words)}${object('fastai.data.transforms\nCategoryMap', { items: object('fastcore.foundation\nL', { items: list('no', 'yes') }) })}e`,
  });
  it.each([
    ['a pickled list', pickle(list(...words)), undefined],
    ['a pickled dictionary of words and numbers', pickle(`}(${text('café')}K\x01${text('\n')}K\x02${text('xxunk')}K\x00u`), undefined],
    ['a pickled dictionary of numbers and words', pickle(`}(K\x01${text('café')}K\x02${text('\n')}K\x00${text('xxunk')}u`), undefined],
    ["fastai 1's Vocab", pickle(object('fastai.text.transform\nVocab', { itos: list(...words) })), undefined],
    ["fastai 2's dls.vocab of a classifier", pickle(nested), ['no', 'yes']],
    ['a pickle in protocol 0', bytesOf('(lp0\nVxxunk\np1\naVcaf\\u00e9\np2\naV\\u000a\np3\na.'), undefined],
    ['a JSON array', JSON.stringify(words), undefined],
    ['a JSON array of words and classes', JSON.stringify([words, ['no', 'yes']]), ['no', 'yes']],
    ['a JSON object of words and numbers', ' {"café": 1, "\\n": 2, "xxunk": 0}', undefined],
    ['a JSON object of numbers and words', '{"1": "café", "2": "\\n", "0": "xxunk"}', undefined],
  ])('%s', async (_, content, labels) => {
    expect(await read(content)).toEqual({ tokens: words, labels });
  });
});

describe('what is no vocabulary is refused', () => {
  it.each([
    ['a number among the words', pickle(`](${text('the')}${int(5)}e`), 'item 1 of the vocabulary is no text but a number'],
    ['None among the words', '["the", null]', 'item 1 of the vocabulary is no text but None'],
    ['a list of classes first', '[["a", true], ["b"]]', 'item 1 of the vocabulary is no text but a truth value'],
    ['a text', pickle(text('the')), 'holds no list of words'],
    ['a dictionary with holes', '{"the": 0, "film": 2}', 'holds no list of words'],
    ['a dictionary with one number twice', '{"the": 0, "film": 0}', 'holds no list of words'],
    ['an empty dictionary', '{}', 'holds no list of words'],
    ['a number', '5', 'holds no list of words'],
    ['an object that has itself in it', pickle('cfastcore.foundation\nL\n)\x81q\x01}X\x05\0\0\0itemsh\x01sb'), 'holds no list of words'],
    ['text', 'the\nfilm\n', 'neither a Python pickle nor JSON'],
    ['an archive', 'PK\x03\x04', 'neither a Python pickle nor JSON'],
    ['broken JSON', '["the", ', 'neither a Python pickle nor JSON'],
    ['a broken pickle', pickle(list('the')).slice(0, -4), 'itos is damaged: its pickle ends in the middle of a value'],
    ['a call', pickle(`cos\nsystem\n${list('echo')}R`), 'itos names os.system: a vocabulary has no business with it'],
    ['a tokenizer', pickle('cspacy.lang.en\nEnglish\n)R'), 'names spacy.lang.en.English: it holds whole Python objects'],
    ['nothing', '', 'itos is empty'],
  ])('%s', async (_, content, message) => {
    await expect(read(content)).rejects.toThrow(message);
  });

  it('a missing file, a folder', async () => {
    const folder = await temporaryFolder();
    await expect(readFastaiVocabulary(join(folder, 'itos.pkl'))).rejects.toThrow(/Cannot read .*itos\.pkl: no such file/);
    await expect(readFastaiVocabulary(folder)).rejects.toThrow(/it is not a file/);
  });
});

describe('the plan', () => {
  it('leaves a vocabulary of fastai 2 as it is', () => {
    const tokens = [...SPECIAL_TOKENS, 'the', 'film', '.', 'a', 'is', 'xxfake', 'xxfake'];
    const plan = planVocabulary('itos.pkl', tokens);
    expect(plan.vocabulary.tokens).toEqual(tokens);
    expect([...plan.rows]).toEqual(tokens.map((_, row) => row));
    expect(plan).toMatchObject({ renamed: [], missing: [], filling: 0 });
  });

  it("moves the special tokens of fastai 1 and keeps the words' order", () => {
    const tokens = 'xxunk xxpad xxbos xxeos xxfld xxmaj xxup xxrep xxwrep the , of'.split(' ');
    const { vocabulary, rows, filling } = planVocabulary('itos.pkl', tokens);
    expect(vocabulary.tokens.join(' ')).toBe('xxunk xxpad xxbos xxeos xxfld xxrep xxwrep xxup xxmaj the , of xxfake xxfake xxfake xxfake');
    expect([...rows]).toEqual([0, 1, 2, 3, 4, 7, 8, 6, 5, 9, 10, 11, ...Array.from({ length: 4 }, () => FILLING_ROW)]);
    expect(filling).toBe(4);
  });

  it('renames the tokens of fastai 0.7, and adds those it has not', () => {
    const { vocabulary, rows, renamed, missing } = planVocabulary('itos.pkl', ['_unk_', '_pad_', 'the', 't_up', 'xfld', 'tk_rep', 'xbos']);
    expect([...rows.subarray(0, 10)]).toEqual([0, 1, 6, MEAN_ROW, 4, 5, MEAN_ROW, 3, MEAN_ROW, 2]);
    expect(vocabulary.decode([9])).toEqual(['the']);
    expect(Object.fromEntries(renamed)).toEqual({
      _unk_: 'xxunk',
      _pad_: 'xxpad',
      t_up: 'xxup',
      xfld: 'xxfld',
      tk_rep: 'xxrep',
      xbos: 'xxbos',
    });
    expect(missing).toEqual(['xxeos', 'xxwrep', 'xxmaj']);
  });

  it('an old name that stands beside the new one is a word', () => {
    const { vocabulary, renamed } = planVocabulary('itos.pkl', [...SPECIAL_TOKENS, '_unk_']);
    expect(renamed).toEqual([]);
    expect(vocabulary.has('_unk_')).toBe(true);
  });

  it('a word that stands twice is refused', () => {
    expect(() => planVocabulary('itos.pkl', [...SPECIAL_TOKENS, 'the', 'film', 'the'])).toThrow(
      /itos\.pkl has "the" twice, as words 9 and 11/,
    );
  });
});
