/**
 * Draws answers, curves and explanations. Everything that a colour says is said in words or by a shape as well.
 *
 * @typedef {import('./api.js').Answer} Answer
 * @typedef {import('./api.js').Explanation} Explanation
 * @typedef {import('./api.js').LabelScore} LabelScore
 * @typedef {import('./api.js').Model} Model
 * @typedef {{ at: number, scores: ReadonlyMap<string, number> }} Point the scores once this share of the text had been read
 */

/** The name under which the number of a regression is drawn. */
export const NUMBER = 'value';
/** Labels that are shown; of more, those with the highest scores. */
const MOST_LABELS = 8;
/** Labels with a line of their own. */
const MOST_LINES = 4;
/** Words in the table. */
const STRONGEST = 8;

/** @param {number} share */
export const percent = (share) => `${(100 * share).toFixed(1)} %`;

/** @param {number} value */
const plain = (value) => String(Number(value.toPrecision(4)));

/**
 * Every label with its score, or the number of a regression.
 *
 * @param {Answer} answer
 * @returns {LabelScore[]}
 */
export function scoresOf(answer) {
  if (Array.isArray(answer)) return answer;
  return 'scores' in answer ? answer.scores : [{ label: NUMBER, score: answer.value }];
}

/**
 * The answer in a sentence, for the status line.
 *
 * @param {Answer} answer
 */
export function sentenceOf(answer) {
  if ('value' in answer) return `The answer is ${plain(answer.value)}.`;
  if (!Array.isArray(answer)) return answer.labels.length === 0 ? 'No label applies.' : `What applies: ${answer.labels.join(', ')}.`;
  const [best] = answer;
  return best ? `${best.label}, with ${percent(best.score)}.` : '';
}

/**
 * The bars. Labels keep their places while the text is read, unless there are too many of them.
 *
 * @param {HTMLElement} list
 * @param {Model} model
 * @param {Answer} answer
 */
export function showAnswer(list, model, answer) {
  const scores = scoresOf(answer);
  if (model.task === 'regression') {
    const number = element('span', { class: 'number' }, plain(scores[0]?.score ?? Number.NaN));
    list.replaceChildren(element('li', {}, number));
    return;
  }
  const best = new Set('labels' in answer ? answer.labels : scores.slice(0, 1).map(({ label }) => label));
  const shown = scores.slice(0, MOST_LABELS);
  if (model.labels.length <= MOST_LABELS) shown.sort((one, other) => model.labels.indexOf(one.label) - model.labels.indexOf(other.label));
  for (const [index, { label, score }] of shown.entries()) {
    const row = list.children[index] ?? list.appendChild(classRow());
    row.className = `series-${seriesOf(model, label)}${best.has(label) ? ' first' : ''}`;
    const [name, bar, value] = row.children;
    if (name) name.textContent = label;
    if (value) value.textContent = percent(score);
    const fill = bar?.firstElementChild;
    if (fill instanceof HTMLElement) fill.style.width = `${100 * score}%`;
  }
  while (list.children.length > shown.length) list.lastElementChild?.remove();
}

function classRow() {
  return element(
    'li',
    {},
    element('span', { class: 'class-name' }),
    element('span', { class: 'bar', 'aria-hidden': 'true' }, element('i', {})),
    element('span', { class: 'class-value' }),
  );
}

/**
 * A colour of its own for each of the first labels; the others share one.
 *
 * @param {Model} model
 * @param {string} label
 */
function seriesOf(model, label) {
  const index = model.labels.indexOf(label);
  return index < 0 ? 0 : Math.min(index, MOST_LINES);
}

const PLOT = { left: 44, right: 484, top: 8, bottom: 172 };

/**
 * The curve.
 *
 * @param {Element} svg
 * @param {Model} model
 * @param {readonly Point[]} points
 * @param {string} [unit] after which there is a point
 * @returns {string} what it shows, in words
 */
export function showCurve(svg, model, points, unit = 'chunk') {
  const last = points.at(-1);
  if (last === undefined) {
    svg.replaceChildren();
    return '';
  }
  const lines = [...last.scores]
    .toSorted(([, one], [, other]) => other - one)
    .slice(0, MOST_LINES)
    .map(([label]) => label);
  const [low, high] = model.task === 'regression' ? rangeOf(model, points) : [0, 1];
  const shown = model.task === 'regression' ? plain : percent;
  const x = (/** @type {number} */ at) => PLOT.left + at * (PLOT.right - PLOT.left);
  const y = (/** @type {number} */ score) => PLOT.bottom - ((score - low) / (high - low)) * (PLOT.bottom - PLOT.top);
  const grid = [low, (low + high) / 2, high].flatMap((value) => [
    shape('line', { class: 'grid', x1: PLOT.left, x2: PLOT.right, y1: y(value), y2: y(value) }),
    shape(
      'text',
      { x: PLOT.left - 8, y: y(value) + 4, 'text-anchor': 'end' },
      model.task === 'regression' ? plain(value) : `${100 * value} %`,
    ),
  ]);
  const ends = spread(lines.map((label) => y(last.scores.get(label) ?? low)));
  const curves = lines.map((label, index) => {
    const places = points.map(({ at, scores }) => `${x(at).toFixed(1)},${y(scores.get(label) ?? low).toFixed(1)}`);
    return shape(
      'g',
      { class: `series-${seriesOf(model, label)}` },
      shape('polyline', { class: 'line', points: places.join(' ') }),
      shape('circle', { cx: x(last.at), cy: y(last.scores.get(label) ?? low), r: 4 }),
      shape(
        'text',
        { class: 'end', x: x(last.at) + 10, y: (ends[index] ?? 0) + 4 },
        label === NUMBER ? plain(last.scores.get(label) ?? 0) : short(label),
      ),
    );
  });
  svg.replaceChildren(
    ...grid,
    shape('text', { x: PLOT.left, y: 194 }, 'start'),
    shape('text', { x: PLOT.right, y: 194, 'text-anchor': 'end' }, 'end of the text'),
    ...curves,
  );
  const [first] = lines;
  if (first === undefined) return '';
  const values = points.map(({ scores }) => shown(scores.get(first) ?? 0));
  return `${first === NUMBER ? 'The answer' : first} after each ${unit}: ${values.join(', ')}.`;
}

/** @param {string} label */
const short = (label) => (label.length > 10 ? `${label.slice(0, 9)}…` : label);

/**
 * @param {Model} model
 * @param {readonly Point[]} points
 * @returns {[number, number]}
 */
function rangeOf(model, points) {
  if (model.range) return model.range;
  const values = points.flatMap(({ scores }) => [...scores.values()]);
  const [low, high] = [Math.min(...values), Math.max(...values)];
  return low === high ? [low - 0.5, high + 0.5] : [low, high];
}

/**
 * Moves labels apart that would stand on each other.
 *
 * @param {readonly number[]} heights
 */
function spread(heights) {
  const room = 15;
  const order = [...heights.keys()].sort((one, other) => (heights[one] ?? 0) - (heights[other] ?? 0));
  const placed = [...heights];
  let above = Number.NEGATIVE_INFINITY;
  for (const index of order) {
    const height = Math.max(placed[index] ?? 0, above + room);
    placed[index] = height;
    above = height;
  }
  return placed;
}

/**
 * The text with its words marked, and the strongest of them in a table.
 *
 * @param {{ passage: HTMLElement, legend: HTMLElement, strongest: HTMLElement, head: HTMLElement }} places
 * @param {Model} model
 * @param {Explanation} explanation
 */
export function showExplanation({ passage, legend, strongest, head }, model, explanation) {
  const { text, words, label, pair } = explanation;
  const isNumber = model.task === 'regression';
  const greatest = words.reduce((most, { occlusion }) => Math.max(most, Math.abs(occlusion ?? 0)), isNumber ? 1e-9 : 0.02);
  /** @type {(Node | string)[]} */
  const pieces = [];
  let end = 0;
  for (const word of words) {
    pieces.push(text.slice(end, word.start));
    end = word.end;
    const strength = Math.abs(word.occlusion ?? 0) / greatest;
    // A word that hardly counts is not worth a mark: a text full of them cannot be read.
    if (strength < 0.08) {
      pieces.push(word.text);
      continue;
    }
    const mark = element('mark', { class: (word.occlusion ?? 0) > 0 ? 'for' : 'against' }, word.text);
    mark.style.setProperty('--strength', strength.toFixed(3));
    pieces.push(mark);
  }
  passage.replaceChildren(...pieces, text.slice(end));
  const subject = isNumber ? 'the number' : `“${label}”`;
  const tried = words.filter(({ occlusion }) => occlusion !== null).length;
  legend.textContent = [
    isNumber
      ? 'Solid line: the word raises the number. Dashed line: it lowers it.'
      : `Solid line: the word speaks for ${subject}. Dashed line: it speaks against it.`,
    tried < words.length ? `Tried were the ${tried} of ${words.length} words that move the answer most while it is read.` : '',
    pair ? 'Two models answer together; the influence is the mean of both.' : '',
  ]
    .filter(Boolean)
    .join(' ');
  head.textContent = isNumber ? 'Influence on the number' : `Influence on ${subject}, in points`;
  const rows = words
    .filter(({ occlusion }) => occlusion !== null && occlusion !== 0)
    .toSorted((one, other) => Math.abs(other.occlusion ?? 0) - Math.abs(one.occlusion ?? 0))
    .slice(0, STRONGEST)
    .map(({ text: word, occlusion, unknown }) => {
      const change = isNumber ? plain(occlusion ?? 0) : (100 * (occlusion ?? 0)).toFixed(1);
      const sign = (occlusion ?? 0) > 0 ? '+' : '';
      return element(
        'tr',
        {},
        element('td', {}, unknown ? `${word} (unknown to the model)` : word),
        element('td', {}, `${sign}${change}`.replace('-', '−')),
      );
    });
  strongest.replaceChildren(...rows);
}

/**
 * The model card.
 *
 * @param {HTMLElement} list
 * @param {Model} model
 */
export function showCard(list, model) {
  const { task, labels, directions, members, precision, dataLicence, created } = model;
  const [member] = members;
  const sizes = member?.sizes ?? {};
  const tasks = { singleLabel: 'one label a text', multiLabel: 'any number of labels a text', regression: 'a number a text' };
  /** @type {[string, string | undefined][]} */
  const facts = [
    ['Name and version', `${model.name}, version ${model.version}`],
    ['Answers with', tasks[task]],
    ['Labels', labels.length > 0 ? labels.join(', ') : undefined],
    ['Reads', directions.map((direction) => (direction === 'forward' ? 'from the beginning' : 'from the end')).join(' and ')],
    ['Network', `AWD-LSTM, ${sizes['layers']} layers of ${sizes['hidden']}, embedding of ${sizes['embedding']}`],
    ['Vocabulary', sizes['vocabulary']?.toLocaleString('en')],
    ['Chunk', `${member?.chunkLength} tokens`],
    ['Weights', precision],
    ...Object.entries(member?.metrics ?? {}).flatMap(([name, value]) =>
      typeof value === 'number' ? [/** @type {[string, string]} */ ([inWords(name), plain(value)])] : [],
    ),
    ['Licence of the data', dataLicence],
    ['Made', created?.slice(0, 10)],
  ];
  list.replaceChildren(
    ...facts.flatMap(([name, value]) => (value === undefined ? [] : [element('dt', {}, name), element('dd', {}, value)])),
  );
}

/** @param {string} name such as `validationLoss` */
function inWords(name) {
  const words = name.replaceAll(/([a-z0-9])([A-Z])/g, '$1 $2').toLowerCase();
  return words.charAt(0).toUpperCase() + words.slice(1);
}

/**
 * @template {HTMLElement} [Kind=HTMLElement]
 * @param {string} id
 * @returns {Kind}
 */
export const byId = (id) => /** @type {Kind} */ (document.getElementById(id));

/**
 * @template {keyof HTMLElementTagNameMap} Name
 * @param {Name} name
 * @param {Record<string, string>} attributes
 * @param {...(Node | string)} children
 * @returns {HTMLElementTagNameMap[Name]}
 */
export function element(name, attributes, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
}

/**
 * @param {string} name
 * @param {Record<string, string | number>} attributes
 * @param {...(Node | string)} children
 */
function shape(name, attributes, ...children) {
  const made = document.createElementNS('http://www.w3.org/2000/svg', name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, String(value));
  made.append(...children);
  return made;
}
