/**
 * The strings that spaCy's English tokenizer splits by rule instead of by its patterns: contractions, abbreviations,
 * emoticons (spaCy 3.8, lang/tokenizer_exceptions.py and lang/en/tokenizer_exceptions.py; MIT licence, © ExplosionAI GmbH and
 * Matthew Honnibal). The table is built from the regularities behind it; test/parity compares all of it with spaCy's own.
 */

const words = (list: string): string[] => list.trim().split(/\s+/);
const capitalized = (word: string): string => word.charAt(0).toUpperCase() + word.slice(1);

/** Each ending a list of parts, written `'ll+'ve`. */
const ENDINGS_OF_EVERY_PRONOUN = words("'ll ll 'll+'ve ll+ve 'd d 'd+'ve d+ve");
const NEGATED_VERBS = words('ca could do does did had may might must need ought sha should wo would');
const NEGATED_VERBS_WITHOUT_HAVE = words('ai are is was were have has dare');

/** Stem to the endings that it takes; every pair is an exception, and so is every pair with a capital. */
const ENDINGS: readonly (readonly [stems: string[], endings: string[]])[] = [
  [['i'], words("'m m 'm+a m+a")],
  [words('i you he she it we they'), ENDINGS_OF_EVERY_PRONOUN],
  [words('i you we they'), words("'ve ve")],
  [words('you we they'), words("'re re")],
  [words('he she it'), words("'s s")],
  [words('who what when where why how there that this these those'), ENDINGS_OF_EVERY_PRONOUN],
  [words('who what when where why how there that this'), words("'s s")],
  [words('who what when where why how there these those'), words("'re re 've ve")],
  [NEGATED_VERBS, words("n't nt n't+'ve nt+ve")],
  [NEGATED_VERBS_WITHOUT_HAVE, words("n't nt")],
  [words('could might must should would'), words("'ve ve")],
  [['not'], words("'ve ve")],
  [['can'], ['not']],
  [['gon'], ['na']],
  [['got'], ['ta']],
  [['let'], ["'s"]],
  [["c'm"], ['on']],
  [['how'], ["'d+'y"]],
];

/** Pairs from the table above that are ordinary words too, so spaCy leaves them whole. */
const ORDINARY_WORDS = words('ill its hell shell shed were well whore');

const WITH_DROPPED_G = words('doin goin nothin nuthin ol somethin lovin havin');

const WHOLE = words(`
  em ll nuff 'em 'll 'nuff 'S 's ‘S ‘s 're 'd 'Cause 'cause 'cos 'Cos 'coz 'Coz 'cuz 'Cuz 'bout ma'am Ma'am o'clock O'clock
  and/or w/o ' '' \\") <space> C++ — \\t \\n ä. ö. ü.
  Mt. Ak. Ala. Apr. Ariz. Ark. Aug. Calif. Colo. Conn. Dec. Del. Feb. Fla. Ga. Ia. Id. Ill. Ind. Jan. Jul. Jun. Kan. Kans. Ky. La.
  Mar. Mass. Mich. Minn. Miss. N.C. N.D. N.H. N.J. N.M. N.Y. Neb. Nebr. Nev. Nov. Oct. Okla. Ore. Pa. S.C. Sep. Sept. Tenn. Va.
  Wash. Wis. a.m. Adm. Bros. co. Co. Corp. D.C. Dr. e.g. E.g. E.G. Gen. Gov. i.e. I.e. I.E. Inc. Jr. Ltd. Md. Messrs. Mo. Mont.
  Mr. Mrs. Ms. p.m. Ph.D. Prof. Rep. Rev. Sen. St. vs. v.s.`);

const EMOTICONS = words(String.raw`
  :) :-) :)) :-)) :))) :-))) (: (-: =) (= :] :-] [: [-: [= =] :o) (o: :} :-} 8) 8-) (-8 ;) ;-) (; (-; :( :-( :(( :-(( :((( :-(((
  ): )-: =( >:( :') :'-) :'( :'-( :/ :-/ =/ =| :| :-| ]= =[ :1 :P :-P :p :-p :O :-O :o :-o :0 :-0 :() >:o :* :-* :3 :-3 =3 :> :->
  :X :-X :x :-x :D :-D ;D ;-D =D xD XD xDD XDD 8D 8-D ^_^ ^__^ ^___^ >.< >.> <.< ._. ;_; -_- -__- v.v V.V v_v V_V o_o o_O O_o O_O
  0_o o_0 0_0 o.O O.o O.O o.o 0.0 o.0 0.o @_@ <3 <33 <333 </3 (^_^) (-_-) (._.) (>_<) (*_*) (¬_¬) ಠ_ಠ ಠ︵ಠ (ಠ_ಠ) ¯\(ツ)/¯
  (╯°□°）╯︵┻━┻ ><(((*>`);

function contractions(): string[][] {
  const table: string[][] = [
    ['y', 'all'],
    ["y'", 'all'],
  ];
  for (const [stems, endings] of ENDINGS) {
    for (const stem of stems) {
      for (const ending of endings) {
        const parts = ending.split('+');
        if (ORDINARY_WORDS.includes(stem + parts.join(''))) continue;
        table.push([stem, ...parts], [capitalized(stem), ...parts]);
      }
    }
  }
  return table;
}

function timesOfDay(): string[][] {
  const hours = Array.from({ length: 12 }, (_, index) => String(index + 1));
  return hours.flatMap((hour) => ['a.m.', 'am', 'p.m.', 'pm'].map((half) => [hour, half]));
}

function wholeStrings(): string[] {
  const letters = [...'abcdefghijklmnopqrstuvwxyz'].map((letter) => letter + '.');
  const dropped = WITH_DROPPED_G.flatMap((word) => [word, capitalized(word)]).flatMap((word) => [word, word + "'"]);
  return [...letters, ...dropped, ...WHOLE, ...EMOTICONS, ' ', '\t', '\n', '\u00a0'];
}

/**
 * Every exception: the string to the tokens it becomes. A string with a straight apostrophe counts with a curly one too
 * (spaCy's `expand_exc`).
 */
export function englishExceptions(): Map<string, readonly string[]> {
  const degrees = [...'cfkCFK'].map((scale) => ['°', scale, '.']);
  const all = [...wholeStrings().map((whole) => [whole]), ...contractions(), ...timesOfDay(), ...degrees];
  const exceptions = new Map(all.map((tokens) => [tokens.join(''), tokens] as const));
  for (const [text, tokens] of Array.from(exceptions)) {
    if (!text.includes("'")) continue;
    const curly = tokens.map((token) => token.replaceAll("'", '’'));
    exceptions.set(curly.join(''), curly);
  }
  return exceptions;
}
