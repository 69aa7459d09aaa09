/** Where texts are read: on the server, or in this browser, once it has fetched the model. */
import { askAt, filesOf } from './api.js';
import { LocalServer } from './localServer.js';
import { byId } from './show.js';

/** @typedef {import('./api.js').Model} Model */

const MEBIBYTE = 2 ** 20;
/** How often those who do not see the bar are told how much of the model is there. */
const ANNOUNCEMENTS = 4;

const onServer = /** @type {HTMLInputElement} */ (byId('on-server'));
const inBrowser = /** @type {HTMLInputElement} */ (byId('in-browser'));
const bar = /** @type {HTMLProgressElement} */ (byId('place-progress'));

/** @type {Model | undefined} */
let model;
/** @type {LocalServer | undefined} */
let local;
let loading = false;
/** @type {{ onMove: () => void, onProblem: (sentence: string) => void }} */
let listener = { onMove: () => {}, onProblem: () => {} };

/** Whether the model is on its way: until it is there, nothing can be asked. */
export const isLoading = () => loading;

/** Whether texts are read in this browser. */
export const isInBrowser = () => local !== undefined && !loading;

/** @param {typeof listener} given told before the place changes, and why the model cannot be in the browser */
export function watchPlace(given) {
  listener = given;
  for (const choice of [onServer, inBrowser]) choice.addEventListener('change', () => void move());
}

/**
 * Shows the switch for a model, where the server gives it away. If texts are read in the browser, this model is fetched for them.
 *
 * @param {Model} chosen
 */
export function showPlace(chosen) {
  model = chosen;
  byId('place').hidden = !chosen.downloadable;
  if (!chosen.downloadable) onServer.checked = true;
  void move();
}

async function move() {
  const wasInBrowser = local !== undefined;
  listener.onMove();
  leave();
  if (model === undefined || !inBrowser.checked) {
    if (wasInBrowser) announce('Texts go to the server again.');
    return;
  }
  if (!isSecureContext) {
    goBack('Browsers run models only on pages with an https:// address, or from this machine (localhost). Texts go to the server.');
    return;
  }
  const mine = new LocalServer();
  local = mine;
  loading = true;
  announce('The model is being loaded into this browser.');
  try {
    await mine.load(filesOf(model), progressOf(mine));
  } catch (error) {
    // Another choice may have been made meanwhile.
    const why = error instanceof Error ? error.message : String(error);
    if (local === mine) goBack(`The model could not be loaded into this browser, so texts go to the server. ${why}`);
    return;
  }
  if (local !== mine) return;
  loading = false;
  bar.hidden = true;
  askAt(mine);
  mine.gone.addEventListener('abort', () => {
    if (local === mine) goBack(mine.gone.reason.message);
  });
  byId('place-note').textContent = 'Texts stay on this machine.';
  announce('The model runs in this browser now: texts stay on this machine.');
}

/** @param {string} why */
function goBack(why) {
  leave();
  onServer.checked = true;
  announce('');
  listener.onProblem(why);
}

function leave() {
  const left = local;
  local = undefined;
  loading = false;
  askAt(undefined);
  left?.close();
  bar.hidden = true;
  byId('place-note').textContent = '';
}

/** @param {LocalServer} mine */
function progressOf(mine) {
  let told = 0;
  return (/** @type {number} */ bytes, /** @type {number} */ of) => {
    if (local !== mine) return;
    const howFar = `${(bytes / MEBIBYTE).toFixed(1)} of ${(of / MEBIBYTE).toFixed(1)} MiB`;
    bar.hidden = false;
    bar.max = of;
    bar.value = bytes;
    byId('place-note').textContent = howFar;
    const part = Math.floor((ANNOUNCEMENTS * bytes) / of);
    if (part > told) announce(`Loading the model into this browser: ${howFar}.`);
    told = part;
  };
}

/** @param {string} sentence */
function announce(sentence) {
  byId('status').textContent = sentence;
}
