// One axis of the form: a value, a range with a step, or a list, with its count and what is wrong with it.
import { html, useId } from "../vendor/preact.js";
import { count, words } from "../model/formats.js";
import { countOf, problemOf } from "../model/axes.js";

const KINDS = /** @type {[string, string][]} */ ([["one", "fixed"], ["range", "search"], ["list", "list"]]);

/**
 * @param {{title: string, about?: string, bounds: {min: number, max: number, kind: string}, axis: import("../model/axes.js").Axis,
 *   problem?: string, change: (axis: import("../model/axes.js").Axis) => void, remove?: () => void}} props
 */
export function AxisField({ title, about, bounds, axis, problem, change, remove }) {
  const id = useId();
  const wrong = problemOf(axis, bounds) || problem;
  const set = (/** @type {string} */ name) => (/** @type {any} */ event) => change({ ...axis, [name]: event.target.value });
  const input = (/** @type {"one" | "start" | "stop" | "step" | "list"} */ name, /** @type {string} */ label) => html`<input
    class=${name === "list" ? "list" : "number"} inputmode=${name === "list" ? "text" : "decimal"} autocomplete="off"
    aria-label=${`${title} ${label}`.trim()} aria-invalid=${wrong ? "true" : undefined} aria-describedby=${wrong ? id : undefined}
    value=${axis[name]} onInput=${set(name)} />`;
  const number = countOf(axis);
  return html`<div class="axis">
    <div class="name" title=${about}>${words(title)}<small>${bounds.min} to ${count(bounds.max)}</small></div>
    <select aria-label=${`${title}: how`} value=${axis.kind} onChange=${set("kind")}>
      ${KINDS.map(([kind, name]) => html`<option key=${kind} value=${kind} selected=${kind === axis.kind}>${name}</option>`)}
    </select>
    <div class="values">
      ${axis.kind === "one" && input("one", "")}
      ${axis.kind === "range" && html`${input("start", "from")} to ${input("stop", "to")} by ${input("step", "step")}`}
      ${axis.kind === "list" && input("list", "values")}
      ${axis.kind !== "one" && !Number.isNaN(number) && html`<span class="quiet">${count(number)} ${number === 1 ? "value" : "values"}</span>`}
      ${remove && html`<button type="button" class="quiet small" onClick=${remove}>Remove</button>`}
    </div>
    ${wrong && html`<p class="problem" id=${id}>${wrong}</p>`}
  </div>`;
}
