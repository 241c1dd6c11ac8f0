// Short messages at the foot of the page, and deletes that can be taken back for ten seconds.
import { html, signal } from "../vendor/preact.js";
import { sentence } from "./states.js";

const UNDO_MS = 10_000;
const SHOWN_MS = 6_000;

/** @typedef {{key: number, text: string, undo?: () => void, isFault?: boolean}} Toast */
const toasts = signal(/** @type {Toast[]} */ ([]));
let count = 0;

/** @param {string} text @param {Partial<Toast>} [more] @param {number} [shownMs] */
export function say(text, more = {}, shownMs = SHOWN_MS) {
  const key = ++count;
  toasts.value = [...toasts.value, { key, text, ...more }];
  setTimeout(() => close(key), shownMs);
  return key;
}

/** @param {any} error */
export function sayFault(error) {
  say(sentence(error), { isFault: true }, 2 * SHOWN_MS);
}

/** @param {number} key */
function close(key) {
  toasts.value = toasts.value.filter((one) => one.key !== key);
}

/** Deletes that wait: none of them is lost when the page is left. @type {Map<number, () => void>} */
const waiting = new Map();
addEventListener("pagehide", () => waiting.forEach((send) => send()));

/**
 * Send a delete after ten seconds, unless it is taken back.
 * @param {string} text what has been deleted @param {() => Promise<unknown>} send @param {() => void} takeBack
 */
export function deleteSoon(text, send, takeBack) {
  let key = 0;
  const now = () => {
    clearTimeout(timer);
    waiting.delete(key);
    send().catch((error) => { takeBack(); sayFault(error); });
  };
  const timer = setTimeout(now, UNDO_MS);
  const undo = () => {
    clearTimeout(timer);
    waiting.delete(key);
    close(key);
    takeBack();
  };
  key = say(text, { undo }, UNDO_MS);
  waiting.set(key, now);
}

export function Toasts() {
  return html`<div class="toasts" role="status" aria-live="polite">
    ${toasts.value.map((one) => html`<div key=${one.key} class=${one.isFault ? "toast fault" : "toast"}>
      <span>${one.text}</span>
      ${one.undo && html`<button type="button" onClick=${one.undo}>Undo</button>`}
    </div>`)}
  </div>`;
}
