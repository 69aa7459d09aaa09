/** The page: what a person does, and what it shows. The asking is in api.js, the drawing in show.js. */
import { explain, fetchModels, predictions, Refusal, useKey } from './api.js';
import { isInBrowser, isLoading, showPlace, watchPlace } from './place.js';
import { byId, element, NUMBER, scoresOf, sentenceOf, showAnswer, showCard, showCurve, showExplanation } from './show.js';

/** @typedef {import('./api.js').Model} Model */

/** Texts of up to so many tokens are explained unasked: a moment's work. The work grows with the square of the length, and a browser has one thread. */
const EXPLAINED_UNASKED = { server: 250, browser: 100 };

const STILL_LOADING = 'The model is still being loaded into this browser. Ask when it is there, or choose the server.';

const form = byId('form');
const text = /** @type {HTMLTextAreaElement} */ (byId('text'));
const file = /** @type {HTMLInputElement} */ (byId('file'));
const drop = byId('drop');
const modelSelect = /** @type {HTMLSelectElement} */ (byId('model'));
const labelSelect = /** @type {HTMLSelectElement} */ (byId('explained-label'));
const curve = /** @type {Element} */ (document.getElementById('curve'));

/** @type {Model[]} */
let models = [];
/** What is being asked now. */
let asking = new AbortController();
/** The text that was answered last: what is explained. */
let answered = '';
/** Chunks in which it was read: of one chunk there is no curve. */
let chunks = 0;

/** @returns {Model | undefined} */
const chosenModel = () => models.find(({ name }) => name === modelSelect.value) ?? models[0];

async function loadModels() {
  try {
    const served = await fetchModels();
    models = served.models;
    modelSelect.replaceChildren(...models.map(({ name, version }) => element('option', { value: name }, `${name} (version ${version})`)));
    modelSelect.value = served.default;
    byId('key-field').hidden = true;
    complain('');
    showModel();
  } catch (error) {
    if (error instanceof Refusal && error.status === 401) askForKey(error.message);
    else complain(error);
  }
}

function showModel() {
  const model = chosenModel();
  if (model === undefined) return;
  byId('model-choice').hidden = models.length < 2;
  byId('model-name').textContent = models.length < 2 ? `${model.name}, version ${model.version}` : '';
  byId('card').hidden = false;
  showCard(byId('facts'), model);
  const labels = model.labels.map((label) => element('option', { value: label }, label));
  labelSelect.replaceChildren(element('option', { value: '' }, 'the answer'), ...labels);
  byId('results').hidden = true;
  byId('status').textContent = '';
  showPlace(model);
}

/** @param {string} message */
function askForKey(message) {
  byId('key-field').hidden = false;
  complain(message);
  byId('key').focus();
}

/** @param {unknown} problem nothing, where all is well */
function complain(problem) {
  byId('problem').textContent = problem instanceof Error ? problem.message : String(problem);
}

async function classify() {
  const model = chosenModel();
  if (model === undefined) return;
  if (text.value.trim() === '') {
    complain('There is no text yet. Type or paste one.');
    text.focus();
    return;
  }
  if (isLoading()) {
    complain(STILL_LOADING);
    return;
  }
  if (text.value.length > model.limits.maxTextLength) {
    complain(`The text has ${text.value.length} characters; this server takes ${model.limits.maxTextLength}.`);
    return;
  }
  const { signal } = startAsking();
  answered = text.value;
  complain('');
  byId('explanation').hidden = true;
  byId('explained').hidden = true;
  labelSelect.value = '';
  const started = performance.now();
  /** @type {{ at: number, scores: Map<string, number> }[]} */
  const points = [];
  let first = 0;
  let tokens = 0;
  try {
    for await (const { tokens_read, tokens: all, final, answer } of predictions(model, answered, signal)) {
      first ||= performance.now() - started;
      tokens = all;
      byId('results').hidden = false;
      showAnswer(byId('classes'), model, answer);
      points.push({ at: all === 0 ? 1 : tokens_read / all, scores: new Map(scoresOf(answer).map(({ label, score }) => [label, score])) });
      byId('curve-text').textContent = showCurve(curve, model, points);
      if (!final) {
        byId('timing').textContent = `${tokens_read} of ${all} tokens read`;
        continue;
      }
      const milliseconds = performance.now() - started;
      byId('timing').textContent = timingOf(all, points.length, first, milliseconds);
      byId('status').textContent = sentenceOf(answer);
    }
    chunks = points.length;
    byId('curve-section').hidden = chunks < 2;
    byId('curve-note').textContent = 'After each chunk of the text, from the first token to the last.';
    byId('explain').hidden = false;
    doneAsking();
    if (tokens > 0 && tokens <= EXPLAINED_UNASKED[isInBrowser() ? 'browser' : 'server']) await explainAnswer();
  } catch (error) {
    doneAsking();
    if (signal.aborted) byId('status').textContent = 'Stopped.';
    else if (error instanceof Refusal && error.status === 401) askForKey(error.message);
    else complain(error);
  }
}

/**
 * @param {number} tokens
 * @param {number} chunks
 * @param {number} first milliseconds until the first prediction
 * @param {number} all milliseconds until the last one
 */
function timingOf(tokens, chunks, first, all) {
  const whole = `${Math.round(all)} ms`;
  if (tokens === 0) return `Answered in ${whole}.`;
  return chunks < 2
    ? `${tokens} tokens in ${whole}.`
    : `${tokens} tokens in ${whole}; the first prediction came after ${Math.round(first)} ms.`;
}

async function explainAnswer() {
  const model = chosenModel();
  if (model === undefined) return;
  if (isLoading()) {
    complain(STILL_LOADING);
    return;
  }
  const { signal } = startAsking();
  const status = byId('status').textContent;
  byId('words-section').setAttribute('aria-busy', 'true');
  try {
    const explanation = await explain(model, answered, labelSelect.value || undefined, signal);
    const places = { passage: byId('passage'), legend: byId('legend'), strongest: byId('strongest'), head: byId('influence-head') };
    showExplanation(places, model, explanation);
    byId('explanation').hidden = false;
    if (chunks < 2) showWordCurve(model, explanation);
    byId('explain').hidden = true;
    byId('explained').hidden = model.labels.length === 0;
    byId('status').textContent = `${status ?? ''} The words that moved it are marked.`.replace(
      /( The words that moved it are marked\.)+/,
      '$1',
    );
  } catch (error) {
    if (!signal.aborted) complain(error);
  } finally {
    byId('words-section').removeAttribute('aria-busy');
    doneAsking();
  }
}

/**
 * @param {Model} model
 * @param {import('./api.js').Explanation} explanation
 */
function showWordCurve(model, { label, start, words, direction }) {
  const values = words.map(({ value }) => value);
  if (direction === 'backward') values.reverse();
  const all = start === null ? values : [start, ...values];
  if (all.length < 2) return;
  const name = label ?? NUMBER;
  const points = all.map((value, index) => ({ at: index / (all.length - 1), scores: new Map([[name, value]]) }));
  byId('curve-section').hidden = false;
  byId('curve-text').textContent = showCurve(curve, model, points, 'word');
  byId('curve-note').textContent = `After each word${direction === 'backward' ? ', from the last to the first' : ''}.`;
}

function startAsking() {
  asking.abort();
  asking = new AbortController();
  byId('stop').hidden = false;
  return asking;
}

function doneAsking() {
  if (document.activeElement === byId('stop')) byId('run').focus();
  byId('stop').hidden = true;
}

/** @param {File | undefined} chosen */
async function readFile(chosen) {
  if (chosen === undefined) return;
  const limit = chosenModel()?.limits.maxTextLength ?? Number.POSITIVE_INFINITY;
  // A character takes four bytes at most.
  if (chosen.size > 4 * limit) {
    complain(`${chosen.name} is larger than this server takes.`);
    return;
  }
  const content = await chosen.text();
  if (content.includes('\0')) {
    complain(`${chosen.name} is not a text file.`);
    return;
  }
  text.value = content;
  await classify();
}

form.addEventListener('submit', (event) => {
  event.preventDefault();
  void classify();
});
document.addEventListener('keydown', (event) => {
  if (event.key === 'Enter' && (event.ctrlKey || event.metaKey)) void classify();
  if (event.key === 'Escape' && !byId('stop').hidden) asking.abort();
});
byId('stop').addEventListener('click', () => asking.abort());
byId('explain').addEventListener('click', () => void explainAnswer());
labelSelect.addEventListener('change', () => void explainAnswer());
modelSelect.addEventListener('change', showModel);
byId('open').addEventListener('click', () => file.click());
file.addEventListener('change', () => {
  void readFile(file.files?.[0]);
  file.value = '';
});
byId('use-key').addEventListener('click', () => {
  useKey(/** @type {HTMLInputElement} */ (byId('key')).value.trim());
  void loadModels();
});
for (const name of ['dragenter', 'dragover']) {
  drop.addEventListener(name, (event) => {
    event.preventDefault();
    drop.classList.add('over');
  });
}
for (const name of ['dragleave', 'drop']) drop.addEventListener(name, () => drop.classList.remove('over'));
drop.addEventListener('drop', (event) => {
  event.preventDefault();
  const transfer = /** @type {DragEvent} */ (event).dataTransfer;
  const [dropped] = transfer?.files ?? [];
  if (dropped !== undefined) void readFile(dropped);
  else text.value = transfer?.getData('text/plain') ?? text.value;
});

watchPlace({ onMove: () => asking.abort(), onProblem: complain });
if (/mac|iphone|ipad/i.test(navigator.userAgent)) byId('shortcut').textContent = '⌘ Enter';
await loadModels();
