// The form's draft, the request that it stands for, and back: a job, a strategy or an address fills the form.
import { axisOf, axisOfRequest, countOf, problemOf, sentAxis, typed } from "./axes.js";

/**
 * @typedef {import("./axes.js").Axis} Axis
 * @typedef {import("./axes.js").Param} Param
 * @typedef {{id: string, title: string, description: string, outputs: string[], inputs: {name: string, columns: string[], default: string}[],
 *   params: Param[], rule: {family: string, meaning: string, params: Param[]}}} Indicator
 * @typedef {{key: number, id: string, inputs: Record<string, string[]>, params: Record<string, Axis>, signal: Record<string, Axis>}} Chosen
 * @typedef {{market_id: number, symbol: string, timeframe: string, start: string, end: string, direction: string, exit_on: string,
 *   indicators: Chosen[], signals: null | {let?: unknown, signals: unknown, where?: unknown}, levels: Record<string, Axis>, atr_window: string,
 *   min_trades: string, max_drawdown: string, rank_by: string, cash: string, allow_gaps: boolean, holdout: string,
 *   entries_fill: string, levels_fill: string, kept: Record<string, any>}} Draft
 */

export const TIMEFRAMES = ["1m", "5m", "15m", "1h", "4h", "1d"];

/** What may end a position before its signal does, in the order of the form. */
export const LEVELS = [
  { name: "sl_pct", title: "Stop-loss %", min: 0.01, max: 1000, kind: "float", one: "2", start: "1", stop: "5", step: "1" },
  { name: "trail_pct", title: "Trailing stop %", min: 0.01, max: 99.99, kind: "float", one: "3", start: "1", stop: "5", step: "1" },
  { name: "sl_atr", title: "Stop-loss, times ATR", min: 0.01, max: 1000, kind: "float", one: "2", start: "1", stop: "4", step: "0.5" },
  { name: "tp_pct", title: "Take-profit %", min: 0.01, max: 1000, kind: "float", one: "4", start: "1", stop: "5", step: "1" },
  { name: "tp_atr", title: "Take-profit, times ATR", min: 0.01, max: 1000, kind: "float", one: "4", start: "2", stop: "6", step: "1" },
  { name: "max_bars", title: "Time stop, bars", min: 1, max: 10_000_000, kind: "int", one: "24", start: "12", stop: "48", step: "12" },
];
const USUAL_ATR_WINDOW = "14";

/** Parts of a request that have no field in the form: a request that fills it keeps them. */
export const KEPT = ["sizing", "fee_pct", "slippage_pct"];
/** The numbers of a sizing that may be searched. @type {Record<string, string>} */
export const SIZES = { risk_pct: "risk # %", target_pct: "volatility # %" };

let keys = 0;

/** @returns {Draft} */
export function emptyDraft() {
  return {
    market_id: 0, symbol: "", timeframe: "1h", start: "", end: "", direction: "long-short", exit_on: "opposite",
    indicators: [], signals: null, levels: {}, atr_window: USUAL_ATR_WINDOW, min_trades: "", max_drawdown: "", rank_by: "", cash: "", allow_gaps: false, holdout: "",
    entries_fill: "close", levels_fill: "close", kept: {},
  };
}

/** An indicator as it is added: its first parameter is searched over the range that the catalogue proposes. @param {Indicator} indicator @returns {Chosen} */
export function chosen(indicator) {
  return {
    key: ++keys,
    id: indicator.id,
    inputs: Object.fromEntries(indicator.inputs.filter((one) => one.columns.length > 1).map((one) => [one.name, [one.default]])),
    params: Object.fromEntries(indicator.params.map((param, at) => [param.name, axisOf(param, at === 0)])),
    signal: Object.fromEntries(indicator.rule.params.map((param) => [param.name, axisOf(param)])),
  };
}

/** @param {string} name @returns {Axis} */
export function levelAxis(name) {
  const level = LEVELS.find((one) => one.name === name) ?? LEVELS[0];
  return { kind: "range", one: level.one, start: level.start, stop: level.stop, step: level.step, list: "" };
}

/** How many variants the draft has at most; NaN while a field says nothing. @param {Draft} draft */
export function variantsOf(draft) {
  if (draft.signals) return NaN;
  const axes = draft.indicators.flatMap((one) => [...Object.values(one.params), ...Object.values(one.signal)]);
  const stops = Object.values(draft.levels);
  const inputs = draft.indicators.flatMap((one) => Object.values(one.inputs).map((columns) => columns.length));
  const sizes = Object.keys(SIZES).map((name) => draft.kept.sizing?.[name]).filter(isSearched).map((axis) => axisOfRequest(axis, levelAxis("sl_pct")));
  const counts = [...[...axes, ...stops, ...sizes].map(countOf), ...inputs];
  return draft.indicators.length ? counts.reduce((product, one) => product * one, 1) : NaN;
}

/** @param {Draft} draft @param {Map<string, Indicator>} catalogue @returns {string[]} what must be typed before anything can be asked */
export function missingIn(draft, catalogue) {
  const found = [];
  if (!draft.symbol) found.push("Choose an instrument.");
  if (!draft.start || !draft.end) found.push("Say from when to when.");
  else if (draft.start >= draft.end) found.push("The range ends before it begins.");
  if (!draft.signals && !draft.indicators.length) found.push("Add an indicator.");
  for (const one of draft.indicators) {
    const info = catalogue.get(one.id);
    const params = [...(info?.params ?? []).map((param) => [param, one.params[param.name]]), ...(info?.rule.params ?? []).map((param) => [param, one.signal[param.name]])];
    for (const [param, axis] of /** @type {[Param, Axis][]} */ (params)) {
      const problem = axis && problemOf(axis, param);
      if (problem) found.push(`${one.id} ${param.name}: ${problem}`);
    }
  }
  for (const level of LEVELS) {
    const axis = draft.levels[level.name];
    const problem = axis && problemOf(axis, level);
    if (problem) found.push(`${level.title}: ${problem}`);
  }
  return found;
}

/** The request that a draft stands for. @param {Draft} draft */
export function requestOf(draft) {
  const axes = (/** @type {Record<string, Axis>} */ all) => Object.fromEntries(Object.entries(all).map(([name, axis]) => [name, sentAxis(axis)]));
  const pruning = Object.fromEntries(Object.entries({ max_drawdown_pct: draft.max_drawdown }).filter(([, text]) => text).map(([name, text]) => [name, typed(text)]));
  return {
    instrument: { market_id: draft.market_id, symbol: draft.symbol },
    timeframe: draft.timeframe,
    time_range: { start: `${draft.start}T00:00:00Z`, end: `${draft.end}T00:00:00Z` },
    ...(draft.signals ?? {
      indicators: draft.indicators.map((one) => ({
        id: one.id,
        ...(Object.keys(one.inputs).length && {
          inputs: Object.fromEntries(Object.entries(one.inputs).map(([name, columns]) => [name, columns.length === 1 ? columns[0] : columns])),
        }),
        params: axes(one.params),
        ...(Object.keys(one.signal).length && { signal: axes(one.signal) }),
      })),
    }),
    direction: draft.direction,
    exit_on: draft.exit_on,
    ...(Object.keys(draft.levels).length && {
      risk: { ...axes(draft.levels), ...(readsRanges(draft) && draft.atr_window !== USUAL_ATR_WINDOW && { atr_window: typed(draft.atr_window) }) },
    }),
    ...fillOf(draft),
    ...draft.kept,
    ...(Object.keys(pruning).length && { pruning }),
    ...(draft.min_trades && { min_trades: typed(draft.min_trades) }),
    ...(draft.rank_by && { rank_by: draft.rank_by }),
    ...(draft.cash && { init_cash_quote: typed(draft.cash) }),
    ...(draft.allow_gaps && { allow_gaps: true }),
    ...(draft.holdout && { holdout: { months: Number(draft.holdout) } }),
  };
}

/** Whether a level is a multiple of the average true range. @param {Draft} draft */
export function readsRanges(draft) {
  return Boolean(draft.levels.sl_atr || draft.levels.tp_atr);
}

/** Where its orders fill; nothing where that is at closes. @param {Draft} draft */
function fillOf(draft) {
  const [stops, tie] = draft.levels_fill.split(" ");
  if (draft.entries_fill === "close" && stops === "close") return {};
  return { fill: { entry: draft.entries_fill, stops, ...(tie && { tie }) } };
}

/** The draft of a request, of a search or of a strategy. @param {any} request @param {Map<string, Indicator>} catalogue @returns {Draft} */
export function draftOf(request, catalogue) {
  const range = request.time_range ?? {};
  const limits = request.pruning ?? {};
  const risk = request.risk ?? {};
  const given = LEVELS.filter(({ name }) => risk[name] !== null && risk[name] !== undefined);
  return {
    ...emptyDraft(),
    market_id: request.instrument.market_id, symbol: request.instrument.symbol, timeframe: request.timeframe,
    start: (range.start ?? "").slice(0, 10), end: (range.end ?? "").slice(0, 10),
    direction: request.direction ?? "long-short", exit_on: request.exit_on ?? "opposite",
    indicators: (request.indicators ?? []).flatMap((/** @type {any} */ sent) => restored(sent, catalogue)),
    signals: request.signals ? { let: request.let ?? {}, signals: request.signals, ...(request.where && { where: request.where }) } : null,
    levels: Object.fromEntries(given.map(({ name }) => [name, axisOfRequest(risk[name], levelAxis(name))])),
    atr_window: String(risk.atr_window ?? USUAL_ATR_WINDOW),
    min_trades: String(request.min_trades ?? limits.min_trades ?? ""), max_drawdown: String(limits.max_drawdown_pct ?? ""),
    rank_by: request.rank_by ?? "", cash: request.init_cash_quote ? String(request.init_cash_quote) : "",
    allow_gaps: Boolean(request.allow_gaps), holdout: request.holdout ? String(request.holdout.months) : "",
    entries_fill: request.fill?.entry ?? "close",
    levels_fill: request.fill?.stops === "intrabar" ? `intrabar ${request.fill.tie ?? "stop_first"}` : "close",
    kept: Object.fromEntries(KEPT.filter((name) => request[name] !== undefined && request[name] !== null).map((name) => [name, request[name]])),
  };
}

/** @param {any} sent @param {Map<string, Indicator>} catalogue @returns {Chosen[]} */
function restored(sent, catalogue) {
  const info = catalogue.get(sent.id);
  if (!info) return [];
  const base = chosen(info);
  const axes = (/** @type {Record<string, Axis>} */ own, /** @type {any} */ given) =>
    Object.fromEntries(Object.entries(own).map(([name, axis]) => [name, axisOfRequest(given?.[name], { ...axis, kind: "one" })]));
  const inputs = Object.fromEntries(Object.entries(base.inputs).map(([name, columns]) => {
    const given = sent.inputs?.[name];
    return [name, given === undefined ? columns : Array.isArray(given) ? given : [given]];
  }));
  return [{ ...base, inputs, params: axes(base.params, sent.params), signal: axes(base.signal, sent.signal) }];
}

/** What varies in a request, as `sma.window` → its values in words. @param {any} request @returns {string[]} */
export function searchedIn(request) {
  const found = [];
  for (const one of request.indicators ?? []) {
    const all = { ...one.inputs, ...one.params, ...one.signal };
    for (const [name, axis] of Object.entries(all)) if (isSearched(axis)) found.push(`${one.id} ${name}`);
  }
  for (const { name, title } of LEVELS) if (isSearched(request.risk?.[name])) found.push(title.toLowerCase());
  for (const name of Object.keys(SIZES)) if (isSearched(request.sizing?.[name])) found.push(name);
  return found;
}

/** @type {Record<string, string>} */
const SHORT = { sl_pct: "sl # %", trail_pct: "trail # %", sl_atr: "sl # ATR", tp_pct: "tp # %", tp_atr: "tp # ATR", max_bars: "# bars" };

const isSearched = (/** @type {any} */ axis) => typeof axis === "object" && axis !== null;

/** The indicators of a strategy in a few words. @param {any} strategy */
export function strategyWords(strategy) {
  const parts = (strategy.indicators ?? []).map((/** @type {any} */ one) => `${one.id} ${Object.values(one.params ?? {}).filter((value) => typeof value !== "object").join("/")}`.trim());
  if (strategy.signals) parts.push(...new Set(Object.values(strategy.let ?? {}).map((/** @type {any} */ one) => one.id).filter(Boolean)), "signals");
  for (const { name } of LEVELS) if (typeof strategy.risk?.[name] === "number") parts.push(SHORT[name].replace("#", strategy.risk[name]));
  for (const [name, words] of Object.entries(SIZES)) if (typeof strategy.sizing?.[name] === "number") parts.push(words.replace("#", strategy.sizing[name]));
  return parts.join(" · ");
}
