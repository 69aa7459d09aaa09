/**
 * Tokens back to text that a person can read: a sample of a language model, or the words a classifier looked at. Tokenizing
 * loses where spaces were, so the text is a likely one, not always the one that the tokens came from.
 */
import { englishExceptions } from './englishExceptions.ts';
import { endsSpaceless, startsSpaceless } from './spacelessScripts.ts';
import { BEGIN, CAPITALIZED, END, FIELD, PADDING, REPEATED_CHARACTER, REPEATED_WORD, UPPER_CASE } from './specialTokens.ts';

/** One word or sign of the text to be, with what the marks before it said. */
interface Piece {
  readonly text: string;
  readonly upperCase?: boolean;
  /** The rest of a word that its repeated character was cut out of: `s` + `ooo`, `1` + `999`. */
  readonly joinsWord?: boolean;
}

const MOST_REPETITIONS = 1000; // a language model can write any number

const TIGHT_BEFORE = new Set([
  ...',.;:!?%…)]}”»’',
  ...'،؛؟۔।॥',
  "n't",
  'n’t',
  ...["'s", "'ll", "'re", "'ve", "'d", "'m", "'y"].flatMap((ending) => [ending, ending.replace("'", '’')]),
]);
const TIGHT_AFTER = new Set('([{“‘„«$£€¥#¿¡');
/** Punctuation as wide as a Han character, which stands for the space beside it. */
const WIDE_PUNCTUATION = /^[\u3001-\u3003\u3008-\u3011\u3014-\u301f\u30fb\uff01-\uff0f\uff1a-\uff20\uff3b-\uff40\uff5b-\uff65]+$/;
/** What goes on with the character before it: marks, skin tones, tags of flags. */
const GOES_ON = /^[\p{M}\p{Emoji_Modifier}\u200d\u{e0020}-\u{e007f}]/u;
const FLAG_LETTER = /^[\u{1f1e6}-\u{1f1ff}]$/u; // two of them are a flag
const TIGHT_AROUND = new Set(['/', '\\', '—', '@']);
const JOINS_WORDS = new Set(['-', '–']);
const WHITE_SPACE_TOKEN = /^[\s▁]+$/;
const LETTERS_OR_DIGITS = /^[\p{L}\p{N}]+$/u;
const ENDS_IN_WORD = /[\p{L}\p{N}]$/u;

/** Words that spaCy cuts in two where no apostrophe shows the place: `can` `not`, `gon` `na`. Hours stay apart. */
const CUT_WORDS = new Set(
  [...englishExceptions().values()].filter((parts) => parts.length === 2 && !/^\d/.test(parts[0] ?? '')).map((parts) => parts.join(' ')),
);

/**
 * Readable text from tokens: case and repetitions as the marks say, spaces where English has them, a line for each field.
 * Marks without what should follow them are dropped; `xxunk` stays, as nothing is known in its place.
 *
 * @example detokenize(['xxbos', 'xxmaj', 'do', "n't", 'xxup', 'shout', 'xxrep', '3', '!']) // "Don't SHOUT!!!"
 */
export function detokenize(tokens: Iterable<string>): string {
  const writer = new Writer();
  for (const piece of pieces([...tokens])) writer.write(piece);
  return writer.text;
}

/** Reads the marks. */
function* pieces(tokens: readonly string[]): Generator<Piece> {
  for (let index = 0; index < tokens.length; index++) {
    const token = tokens[index] ?? '';
    const next = tokens[index + 1];
    if (token === BEGIN || token === END || token === PADDING) continue;
    if (token === FIELD) {
      if (next !== undefined && Number(next) > 1) yield { text: '\n' };
      index++;
    } else if (token === REPEATED_CHARACTER || token === REPEATED_WORD) {
      yield* repeated(token, next, tokens[index + 2]);
      index += 2;
    } else if (token === UPPER_CASE || token === CAPITALIZED) {
      if (next === undefined || next.startsWith('xx')) continue; // two marks in a row: only a model writes that
      yield token === UPPER_CASE ? { text: next, upperCase: true } : { text: capitalized(next) };
      index++;
    } else {
      yield { text: token === 'i' ? 'I' : token.replaceAll('▁', ' ') }; // a single capital leaves no mark
    }
  }
}

function* repeated(mark: string, times: string | undefined, what: string | undefined): Generator<Piece> {
  const count = Number(times);
  if (what === undefined || !Number.isInteger(count) || count < 1 || count > MOST_REPETITIONS) return;
  if (mark === REPEATED_WORD) for (let turn = 0; turn < count; turn++) yield { text: what };
  else yield { text: what.repeat(count), joinsWord: LETTERS_OR_DIGITS.test(what) };
}

function capitalized(word: string): string {
  const [first = ''] = word;
  return upperCase(first) + word.slice(first.length);
}

/** Capitals that become the same word again in lower case. Letters without such a capital stay: `ß` would come back as `ss`, `ı` as `i`. */
function upperCase(word: string): string {
  const whole = word.toUpperCase();
  const upper = whole.toLowerCase() === word ? whole : Array.from(word, upperCaseLetter).join('');
  return upper.replaceAll('I\u0307', 'İ');
}

function upperCaseLetter(letter: string): string {
  const upper = letter.toUpperCase();
  return upper.toLowerCase() === letter ? upper : letter;
}

/** Puts pieces one after another, with or without a space between. */
class Writer {
  text = '';
  #last: string | undefined; // the last piece, before its case was changed
  #isTight = true; // nothing may come between the last piece and the next
  #upperCase = false;
  #isInFlag = false; // the last piece was the first letter of a flag
  #hasLowQuote = false; // a „ is open
  readonly #openQuotes = new Set<string>();

  write(piece: Piece): void {
    const { text } = piece;
    const space = this.#spaceBefore(piece);
    // Capitals last to the next space, or what stands for one: the mark stood before a whole word with its punctuation.
    const goesOn = space === '' && !WHITE_SPACE_TOKEN.test(text) && !startsSpaceless(text);
    this.#upperCase = piece.upperCase === true || (this.#upperCase && goesOn);
    this.text += space + (this.#upperCase ? upperCase(text) : text);
    this.#last = text;
  }

  #spaceBefore({ text, joinsWord = false }: Piece): string {
    const last = this.#last ?? '';
    const wasTight = this.#isTight || endsSpaceless(last) || WIDE_PUNCTUATION.test(last) || last.endsWith('\u200d');
    const goesWithLast = [this.#endsFlag(text), this.#closesLowQuote(text), GOES_ON.test(text)].includes(true);
    this.#isTight = !goesWithLast && (TIGHT_AFTER.has(text) || TIGHT_AROUND.has(text) || WHITE_SPACE_TOKEN.test(text));
    if (goesWithLast || startsSpaceless(text) || WIDE_PUNCTUATION.test(text)) return '';
    if (text === '"' || text === "'") return this.#quote(text, last, wasTight);
    if (wasTight || TIGHT_BEFORE.has(text) || TIGHT_AROUND.has(text) || WHITE_SPACE_TOKEN.test(text)) return '';
    if (JOINS_WORDS.has(text)) {
      this.#isTight = ENDS_IN_WORD.test(last) && (text === '-' || /\d$/.test(last));
      return this.#isTight ? '' : ' ';
    }
    if (isPunctuationRun(text) || CUT_WORDS.has(`${last} ${text}`)) return '';
    return joinsWord && ENDS_IN_WORD.test(last) ? '' : ' ';
  }

  #endsFlag(text: string): boolean {
    const ends = this.#isInFlag && FLAG_LETTER.test(text);
    this.#isInFlag = !ends && FLAG_LETTER.test(text);
    return ends;
  }

  /** `“` opens a quotation in English, and closes one that „ has opened in German and its neighbours. */
  #closesLowQuote(text: string): boolean {
    const closes = this.#hasLowQuote && text === '“';
    this.#hasLowQuote = text === '„' || (this.#hasLowQuote && text !== '“' && text !== '”');
    return closes;
  }

  /** A straight quote opens what an earlier one did not; behind a plural it is an apostrophe. */
  #quote(mark: string, last: string, wasTight: boolean): string {
    if (this.#openQuotes.delete(mark)) return '';
    if (mark === "'" && !wasTight && last.endsWith('s')) return '';
    this.#openQuotes.add(mark);
    this.#isTight = true;
    return wasTight ? '' : ' ';
  }
}

const isPunctuationRun = (text: string): boolean => /^[.,;:!?…]+$/.test(text);
