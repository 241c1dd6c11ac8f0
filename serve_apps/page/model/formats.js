// Numbers, times and names as people read them; all times are UTC.

const MINUS = "−";

/** @param {number | null | undefined} value @param {number} [digits] */
export function number(value, digits = 2) {
  if (value === null || value === undefined || !Number.isFinite(value)) return "–";
  const text = Math.abs(value).toLocaleString("en-US", { minimumFractionDigits: digits, maximumFractionDigits: digits });
  return value < 0 && Number(text.replaceAll(",", "")) !== 0 ? MINUS + text : text;
}

/** @param {number | null | undefined} value */
export const count = (value) => number(value, 0);

/** With its sign. @param {number | null | undefined} value @param {number} [digits] */
export function signed(value, digits = 2) {
  const text = number(value, digits);
  return value !== null && value !== undefined && value > 0 && /[1-9]/.test(text) ? `+${text}` : text;
}

/** @param {number | null | undefined} value */
export function percent(value) {
  const text = signed(value);
  return text === "–" ? text : `${text} %`;
}

/** The class that colours a number. @param {number | null | undefined} value */
export function tone(value) {
  if (!value) return "";
  return value > 0 ? "gain" : "loss";
}

/** A price with as many digits as it needs. @param {number} value */
export function price(value) {
  const size = Math.abs(value);
  return number(value, size >= 1000 ? 2 : size >= 1 ? 4 : 8);
}

/** `2025-01-01 05:10`, in UTC. @param {string | number | Date} value */
export function time(value) {
  return new Date(value).toISOString().slice(0, 16).replace("T", " ");
}

/** @param {string | number | Date} value */
export const day = (value) => new Date(value).toISOString().slice(0, 10);

const UNITS = /** @type {[string, number][]} */ ([["d", 86_400], ["h", 3_600], ["min", 60], ["s", 1]]);

/** A length of time in its two largest units. @param {number | null | undefined} seconds */
export function duration(seconds) {
  if (seconds === null || seconds === undefined || !Number.isFinite(seconds)) return "–";
  let left = Math.round(Math.abs(seconds));
  const at = Math.max(0, UNITS.findIndex(([, size]) => left >= size));
  if (left < 1) return "0 s";
  const parts = [];
  for (const [name, size] of UNITS.slice(at, at + 2)) {
    const whole = Math.floor(left / size);
    if (whole) parts.push(`${whole} ${name}`);
    left -= whole * size;
  }
  return parts.join(" ");
}

/** How long ago. @param {string | number | Date} value @param {number} [now] */
export function ago(value, now = Date.now()) {
  return `${duration(Math.max(0, (now - new Date(value).getTime()) / 1000))} ago`;
}

/** `long threshold` of `long_threshold`. @param {string} name */
export const words = (name) => name.replaceAll("_", " ").replaceAll("-", " ");

const KINDS = /** @type {[RegExp, string][]} */ ([
  [/^(Start|End)$/, "time"], [/Duration$/, "duration"], [/^Num\./, "count"], [/\[%\]$/, "percent"],
]);

/** A metric of a report. @param {string} name @param {number | null} value */
export function metric(name, value) {
  if (value === null || value === undefined) return "–";
  const kind = KINDS.find(([shape]) => shape.test(name))?.[1];
  if (kind === "time") return time(value);
  if (kind === "duration") return duration(value / 1000);
  if (kind === "count") return count(value);
  return kind === "percent" ? `${number(value)} %` : number(value);
}

/** @param {{market_id: number, symbol: string}} instrument @param {{market_id: number, name: string}[]} [markets] */
export function instrumentName({ market_id, symbol }, markets = []) {
  const market = markets.find((one) => one.market_id === market_id)?.name;
  return market ? `${symbol} · ${market}` : symbol;
}
