// An axis of the form: one value, a range with a step, or a list. What is typed stays text until it is sent.

/**
 * @typedef {{kind: "one" | "range" | "list", one: string, start: string, stop: string, step: string, list: string}} Axis
 * @typedef {{name: string, kind: "int" | "float", description: string, default: number, min: number, max: number,
 *   step: number, grid: {start: number, stop: number, step: number}}} Param
 */

/** The axis that a parameter begins with. @param {Param} param @param {boolean} [isSearched] @returns {Axis} */
export function axisOf(param, isSearched = false) {
  const { start, stop, step } = param.grid;
  return {
    kind: isSearched ? "range" : "one", one: String(param.default),
    start: String(start), stop: String(stop), step: String(step), list: "",
  };
}

/** The axis of a request as the form has it. @param {any} sent @param {Axis} base @returns {Axis} */
export function axisOfRequest(sent, base) {
  if (sent === undefined || sent === null) return base;
  if (typeof sent === "number") return { ...base, kind: "one", one: String(sent) };
  if ("values" in sent) return { ...base, kind: "list", list: sent.values.join(", ") };
  return { ...base, kind: "range", start: String(sent.start), stop: String(sent.stop), step: String(sent.step) };
}

/** A number that is typed; NaN while it is none. @param {string} text */
export const typed = (text) => (text.trim() === "" ? NaN : Number(text.trim().replace(",", ".")));

/** @param {string} text */
const listed = (text) => text.split(/[\s,;]+/).filter(Boolean).map(Number);

/** How many values it has; NaN while that cannot be said. @param {Axis} axis */
export function countOf(axis) {
  if (axis.kind === "one") return Number.isFinite(typed(axis.one)) ? 1 : NaN;
  if (axis.kind === "list") {
    const values = listed(axis.list);
    return values.length && values.every(Number.isFinite) ? new Set(values).size : NaN;
  }
  const [start, stop, step] = [axis.start, axis.stop, axis.step].map(typed);
  if (![start, stop, step].every(Number.isFinite) || step <= 0 || stop < start) return NaN;
  return Math.floor((stop - start) / step + 1e-9) + 1;
}

/** As a request has it. @param {Axis} axis */
export function sentAxis(axis) {
  if (axis.kind === "one") return typed(axis.one);
  if (axis.kind === "list") return { values: listed(axis.list) };
  return { start: typed(axis.start), stop: typed(axis.stop), step: typed(axis.step) };
}

/** What is wrong with it, in words; nothing where it is in order. @param {Axis} axis @param {{min: number, max: number, kind: string}} bounds */
export function problemOf(axis, { min, max, kind }) {
  if (Number.isNaN(countOf(axis))) {
    if (axis.kind === "range" && typed(axis.stop) < typed(axis.start)) return `It ends at ${axis.stop}, before ${axis.start}.`;
    return axis.kind === "list" ? "Numbers, with commas between them." : "A number is missing.";
  }
  const values = axis.kind === "one" ? [typed(axis.one)] : axis.kind === "list" ? listed(axis.list) : [typed(axis.start), typed(axis.stop)];
  const outside = values.find((value) => value < min || value > max);
  if (outside !== undefined) return `${outside} is outside ${min} to ${max}.`;
  const steps = axis.kind === "range" ? [...values, typed(axis.step)] : values;
  const broken = kind === "int" ? steps.find((value) => !Number.isInteger(value)) : undefined;
  return broken === undefined ? "" : `${broken} is no whole number.`;
}
