// What a screen shows in place of its content: that it is coming, that there is none, or why there is none.
import { h, html, useEffect, useState } from "../vendor/preact.js";
import { Refusal } from "../api.js";

export function Loading() {
  return html`<p class="loading" role="status"><span class="visually-hidden">Loading</span></p>`;
}

/** @param {{error: any, again?: () => void}} props */
export function Fault({ error, again }) {
  const id = error instanceof Refusal && error.status >= 500 ? error.requestId : "";
  return html`<div class="fault" role="alert">
    <p>${sentence(error)}</p>
    ${id && html`<p class="quiet">Request <code>${id}</code></p>`}
    ${again && html`<button type="button" onClick=${again}>Try again</button>`}
  </div>`;
}

/** @param {any} error */
export function sentence(error) {
  const text = String(error?.message ?? error);
  return text.charAt(0).toUpperCase() + text.slice(1);
}

/** @param {{title: string, children: any}} props */
export function Empty({ title, children }) {
  return html`<section class="empty"><h2>${title}</h2>${children}</section>`;
}

/** A command to copy. @param {{text: string}} props */
export function Command({ text }) {
  const [copied, setCopied] = useState(false);
  const copy = () => navigator.clipboard?.writeText(text).then(() => setCopied(true), () => {});
  return html`<div class="command"><code>${text}</code>
    ${navigator.clipboard && html`<button type="button" onClick=${copy}>${copied ? "Copied" : "Copy"}</button>`}</div>`;
}

/**
 * The answer of a question that is asked when the component appears, and again by `again`.
 * @template T @param {() => Promise<T>} ask @param {unknown[]} [changes]
 * @returns {{answer?: T, error?: any, again: () => void}}
 */
export function useAnswer(ask, changes = []) {
  const [state, setState] = useState(/** @type {{answer?: T, error?: any}} */ ({}));
  const [asked, setAsked] = useState(0);
  useEffect(() => {
    let wanted = true;
    ask().then(
      (answer) => wanted && setState({ answer }),
      (error) => wanted && setState((before) => ({ ...before, error })),
    );
    return () => { wanted = false; };
  }, [asked, ...changes]);
  return { ...state, again: () => setAsked((count) => count + 1) };
}

/** What an answer is shown by, once there is one. @param {{of: any, children: (answer: any) => any}} props */
export function Answered({ of, children }) {
  if (of.error && !of.answer) return h(Fault, { error: of.error, again: of.again });
  return of.answer === undefined ? h(Loading, {}) : children(of.answer);
}
