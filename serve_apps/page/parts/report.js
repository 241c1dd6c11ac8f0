// The report of one strategy over a range: numbers beside buy and hold, equity, trades on candles, months, trades.
import { h, html, useEffect, useMemo, useState } from "../vendor/preact.js";
import { post } from "../api.js";
import { count, duration, metric, number, percent, price, time, tone } from "../model/formats.js";
import { columns } from "../model/arrow.js";
import { csvOf, save } from "./downloads.js";
import { Candles } from "./candles.js";
import { Equity } from "./equity.js";
import { Answered, Fault, Loading, useAnswer } from "./states.js";
import { Table } from "./table.js";

const POINTS = 1_500;
const HEAD = /** @type {[string, string][]} */ ([
  ["Total return", "Total Return [%]"], ["Buy and hold", "Benchmark Return [%]"], ["Max. drawdown", "Max. Drawdown [%]"],
  ["Sharpe", "Sharpe Ratio"], ["Trades", "Num. Trades"], ["Win rate", "Win Rate [%]"],
]);
const TONED = new Set(["Total Return [%]", "Benchmark Return [%]"]);

/** @param {{strategy: any}} props the variant as a request of its own */
export function Report({ strategy }) {
  const key = JSON.stringify(strategy);
  const told = useAnswer(() => post("/backtests/report", strategy), [key]);
  const curve = useAnswer(() => curveOf(strategy), [key]);
  const trades = useAnswer(() => tradesOf(strategy), [key]);
  return html`<${Answered} of=${told}>${(/** @type {any} */ report) => h(Whole, { report, curve, trades })}<//>`;
}

/** @param {any} strategy */
async function curveOf(strategy) {
  const { column } = await columns("POST", "/backtests/report/curve", { body: strategy, query: { points: POINTS } });
  return { ts: column("ts_ms"), low: column("low"), high: column("high"), last: column("last"), drawdown: column("drawdown_pct"), close: column("close") };
}

/** @param {any} strategy */
async function tradesOf(strategy) {
  const { column } = await columns("POST", "/backtests/report/trades", { body: strategy });
  return {
    entry: column("entry_ms"), exit: column("exit_ms"), side: column("side"), entryFill: column("entry_fill"), exitFill: column("exit_fill"),
    quantity: column("quantity"), pnl: column("pnl_quote"), returns: column("return_pct"), equity: column("equity_quote"), reason: column("exit_reason"),
  };
}

/** @param {any} props */
function Whole({ report, curve, trades }) {
  const { metrics, request } = report;
  const [focus, setFocus] = useState(/** @type {any} */ (undefined));
  const cash = metrics["Init. Cash"];
  return html`<p class="quiet">${report.sentences.join(" ")}</p>
    ${report.notes.map((/** @type {string} */ note) => html`<p key=${note} class="note small">${note}</p>`)}
    <dl class="metrics">${HEAD.map(([title, name]) => html`<div key=${name} class="metric"><dt>${title}</dt>
      <dd class=${TONED.has(name) ? tone(metrics[name]) : ""}>${TONED.has(name) ? percent(metrics[name]) : metric(name, metrics[name])}</dd></div>`)}</dl>
    <section class="card" aria-label="Equity and drawdown"><h2>Equity and drawdown</h2>
      <${Answered} of=${curve}>${(/** @type {any} */ found) => h(Equity, { curve: found, cash })}<//>
      <p class="legend"><span>Blue: equity in quote currency</span><span>Grey: the same cash, bought and held</span><span>Red: fall from the peak so far</span></p></section>
    <section class="card" aria-label="Trades on the market">
      ${trades.error ? h(Fault, { error: trades.error, again: trades.again }) : !trades.answer ? h(Loading, {})
        : h(Candles, { instrument: request.instrument, timeframe: request.timeframe, start: metrics.Start, end: metrics.End, trades: trades.answer, focus })}</section>
    <section class="card"><h2>Returns by month</h2>${h(Months, { months: report.months })}</section>
    <section class="card"><h2>Deepest drawdowns</h2>${h(Drawdowns, { drawdowns: report.drawdowns })}</section>
    <section class="card"><h2>Exposure and costs</h2>${h(ExposureAndCosts, { report, cash })}</section>
    <section class="card"><div class="head"><h2>Trades</h2><span class="end">
        ${trades.answer && html`<button type="button" class="small" onClick=${() => save("trades.csv", csvOfTrades(trades.answer), "text/csv")}>Save as CSV</button>`}</span></div>
      <${Answered} of=${trades}>${(/** @type {any} */ found) => h(TradesTable, { trades: found, show: setFocus })}<//></section>
    <details class="card"><summary>All metrics</summary><dl class="facts">${Object.entries(metrics).map(([name, value]) =>
      html`<div key=${name}><dt>${name.replace(" [%]", "")}</dt><dd>${metric(name, /** @type {number} */ (value))}</dd></div>`)}</dl></details>`;
}

const NAMES = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/** @param {{months: {month: string, return_pct: number, benchmark_return_pct: number}[]}} props */
function Months({ months }) {
  const years = new Map();
  for (const one of months) {
    const [year, month] = one.month.split("-");
    if (!years.has(year)) years.set(year, new Map());
    years.get(year).set(Number(month), one);
  }
  const most = Math.max(1, ...months.map((one) => Math.abs(one.return_pct)));
  const whole = (/** @type {Map<number, any>} */ all) => ([...all.values()].reduce((product, one) => product * (1 + one.return_pct / 100), 1) - 1) * 100;
  return html`<div class="scroll" tabindex="0" role="region" aria-label="Returns by month in percent"><table class="months"><thead><tr><th scope="col">Year</th>
      ${NAMES.map((name) => html`<th key=${name} scope="col" class="month">${name}</th>`)}<th scope="col" class="number">Year %</th></tr></thead>
    <tbody>${[...years].map(([year, all]) => html`<tr key=${year}><th scope="row">${year}</th>
      ${NAMES.map((name, at) => html`<td key=${name} class="month" style=${shade(all.get(at + 1)?.return_pct, most)}
        title=${all.get(at + 1) ? `buy and hold ${percent(all.get(at + 1).benchmark_return_pct)}` : undefined}>${all.get(at + 1) ? signedShort(all.get(at + 1).return_pct) : ""}</td>`)}
      <td class=${`number ${tone(whole(all))}`}>${signedShort(whole(all))}</td></tr>`)}</tbody></table></div>`;
}

/** @param {{drawdowns: any[]}} props */
function Drawdowns({ drawdowns }) {
  if (!drawdowns.length) return html`<p>Its equity never fell.</p>`;
  return html`<div class="scroll" tabindex="0" role="region" aria-label="Deepest drawdowns"><table><thead><tr>
      ${["Fall %", "Peak", "Lowest", "Recovered", "Lasted"].map((title, at) => html`<th key=${title} scope="col" class=${at === 0 || at === 4 ? "number" : ""}>${title}</th>`)}</tr></thead>
    <tbody>${drawdowns.map((one) => html`<tr key=${one.peak_time}><td class="number loss">${signedShort(-one.depth_pct)}</td>
      <td>${time(Date.parse(one.peak_time))}</td><td>${time(Date.parse(one.lowest_time))}</td>
      <td>${one.recovery_time ? time(Date.parse(one.recovery_time)) : "not in this range"}</td>
      <td class="number">${duration(one.duration_ms / 1000)}</td></tr>`)}</tbody></table></div>`;
}

/** @param {{report: any, cash: number}} props */
function ExposureAndCosts({ report, cash }) {
  const { exposure, costs, ties } = report;
  const ofCash = (/** @type {number} */ paid) => `${number(paid)} (${(100 * paid / cash).toFixed(1)} % of the initial cash)`;
  const rows = /** @type {[string, string][]} */ ([
    ["Exposure, long", `${(100 * exposure.long).toFixed(1)} %`],
    ["Exposure, short", `${(100 * exposure.short).toFixed(1)} %`],
    ["Fees paid", ofCash(costs.fees_quote)],
    ["Slippage paid", ofCash(costs.slippage_quote)],
    ...(ties ? [["Exits in a minute that touched both levels", `${count(ties.exits)}${ties.exits ? `; decided the other way it returns ${percent(ties.other_return_pct)}` : ""}`]] : []),
  ]);
  return html`<dl class="facts">${rows.map(([name, value]) => html`<div key=${name}><dt>${name}</dt><dd>${value}</dd></div>`)}</dl>`;
}

const signedShort = (/** @type {number} */ value) => percent(value).replace(" %", "");

/** A shade that leaves the text readable: at most a third of the colour. @param {number | undefined} value @param {number} most */
function shade(value, most) {
  if (!value) return undefined;
  const part = Math.round(6 + 27 * Math.min(1, Math.abs(value) / most));
  return { background: `color-mix(in srgb, var(--${value > 0 ? "gain" : "loss"}) ${part}%, transparent)` };
}

/** @param {any} props */
function TradesTable({ trades, show }) {
  const rows = useMemo(() => Array.from({ length: trades.entry.length }, (_, at) => at), [trades]);
  const look = (/** @type {number} */ at) => {
    const length = Math.max(trades.exit[at] - trades.entry[at], 3_600_000);
    show({ start: trades.entry[at] - length, end: trades.exit[at] + length, key: Date.now() });
    document.querySelector(".chart.tall")?.scrollIntoView({ block: "center" });
  };
  const all = /** @type {any[]} */ ([
    { name: "entry", title: "Opened", value: (/** @type {number} */ at) => trades.entry[at], show: (/** @type {number} */ at) => html`<button type="button" class="link" title="Show it on the candles" onClick=${() => look(at)}>${time(trades.entry[at])}</button>` },
    { name: "exit", title: "Closed", value: (/** @type {number} */ at) => trades.exit[at], show: (/** @type {number} */ at) => time(trades.exit[at]) },
    { name: "side", title: "Side", value: (/** @type {number} */ at) => (trades.side[at] > 0 ? "long" : "short") },
    { name: "in", title: "Entry", isNumber: true, value: (/** @type {number} */ at) => trades.entryFill[at], show: (/** @type {number} */ at) => price(trades.entryFill[at]) },
    { name: "out", title: "Exit", isNumber: true, value: (/** @type {number} */ at) => trades.exitFill[at], show: (/** @type {number} */ at) => price(trades.exitFill[at]) },
    { name: "pnl", title: "Profit", isNumber: true, value: (/** @type {number} */ at) => trades.pnl[at], show: (/** @type {number} */ at) => number(trades.pnl[at]), tone: (/** @type {number} */ at) => tone(trades.pnl[at]) },
    { name: "return", title: "Return %", isNumber: true, value: (/** @type {number} */ at) => trades.returns[at], show: (/** @type {number} */ at) => signedShort(trades.returns[at]), tone: (/** @type {number} */ at) => tone(trades.returns[at]) },
    { name: "why", title: "Ended by", value: (/** @type {number} */ at) => trades.reason[at].replaceAll("_", " ") },
  ]);
  if (!rows.length) return html`<p>It made no trade: its signals never opened a position in this range.</p>`;
  return html`<p class="quiet small">${count(rows.length)} trades; times are UTC.</p>
    <${Table} label="Trades" columns=${all} rows=${rows} keyOf=${(/** @type {number} */ at) => at} />`;
}

/** @param {any} trades */
function csvOfTrades(trades) {
  const head = ["opened", "closed", "side", "entry", "exit", "quantity", "profit", "return_pct", "equity", "ended_by"];
  const rows = Array.from({ length: trades.entry.length }, (_, at) => [
    new Date(trades.entry[at]).toISOString(), new Date(trades.exit[at]).toISOString(), trades.side[at] > 0 ? "long" : "short",
    trades.entryFill[at], trades.exitFill[at], trades.quantity[at], trades.pnl[at], trades.returns[at], trades.equity[at], trades.reason[at],
  ]);
  return csvOf([head, ...rows]);
}
