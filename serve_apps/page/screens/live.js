// Live: the board of runs, worst first; a run with what it said, its trades, and its certificate.
import { h, html, useEffect, useState } from "../vendor/preact.js";
import { get, post } from "../api.js";
import { healthOf, lagOf, worstFirst } from "../model/board.js";
import { listen } from "../model/events.js";
import { ago, duration, number, percent, price, time, tone } from "../model/formats.js";
import { strategyWords } from "../model/requests.js";
import { save } from "../parts/downloads.js";
import { Answered, Empty, Fault, useAnswer } from "../parts/states.js";
import { sayFault } from "../parts/toast.js";
import { addressOf } from "../routing.js";

const AGAIN_MS = 15_000;

/** @param {{id: string}} props */
export function Screen({ id }) {
  return id ? h(OneRun, { id }) : h(Board, {});
}

/** The time now, every second. */
function useNow() {
  const [now, setNow] = useState(Date.now());
  useEffect(() => {
    const timer = setInterval(() => document.hidden || setNow(Date.now()), 1_000);
    return () => clearInterval(timer);
  }, []);
  return now;
}

/** What runs tell while the board is open, by run. */
function useTold(/** @type {() => void} */ changed) {
  const [told, setTold] = useState(/** @type {Record<string, any>} */ ({}));
  useEffect(() => listen(({ kind, data }) => {
    if (kind === "standings") {
      setTold((before) => ({ ...before, ...Object.fromEntries(data.map((/** @type {any} */ one) => [one.run_id, { ...before[one.run_id], standing: one }])) }));
    } else {
      setTold((before) => ({ ...before, [data.run_id]: { ...before[data.run_id], event: data } }));
      if (data.body.kind === "state") changed();
    }
  }), []);
  return told;
}

async function readBoard() {
  const [{ runs }, { strategies }] = await Promise.all([get("/runs", { limit: 200 }), get("/strategies", { limit: 500 })]);
  const byId = Object.fromEntries(strategies.map((/** @type {any} */ one) => [one.strategy_id, one]));
  return { runs, byId };
}

function Board() {
  const board = useAnswer(readBoard);
  const now = useNow();
  const told = useTold(board.again);
  useEffect(() => {
    const timer = setInterval(() => document.hidden || board.again(), AGAIN_MS);
    return () => clearInterval(timer);
  }, []);
  return html`<h1>Live</h1>
    <${Answered} of=${board}>${(/** @type {any} */ { runs, byId }) => {
      if (!runs.length) return h(Empty, { title: "Nothing runs yet", children: html`<p>Run a saved strategy: it trades on paper, bar by bar, as its backtest would.</p><a class="button main" href=${addressOf("strategies")}>To the strategies</a>` });
      const rows = worstFirst(runs.map((/** @type {any} */ run) => ({ run, standing: told[run.run_id]?.standing })), now);
      return html`<${Summary} rows=${rows} now=${now} /><${Rows} rows=${rows} byId=${byId} told=${told} now=${now} again=${board.again} />`;
    }}<//>`;
}

/** @param {any} props */
function Summary({ rows, now }) {
  const health = rows.map((/** @type {any} */ row) => healthOf(row.run, row.standing, now));
  const of = (/** @type {string} */ kind) => health.filter((/** @type {string} */ one) => one === kind).length;
  return html`<p role="status" class="legend"><span class="state good">${of("good")} run</span>${of("busy") > 0 && html`<span class="state busy">${of("busy")} begin</span>`}
    <span class=${of("late") ? "state late" : "state"}>${of("late")} late</span><span class=${of("bad") ? "state bad" : "state"}>${of("bad")} need a look</span></p>`;
}

/** @param {any} props */
function Rows({ rows, byId, told, now, again }) {
  return html`<div class="rows" tabindex="0" role="region" aria-label="Runs, worst first"><table>
    <thead><tr><th scope="col">Strategy</th><th scope="col">State</th><th scope="col" class="number">Lag</th><th scope="col">Position</th><th scope="col" class="number">Return</th><th scope="col">Last said</th><th scope="col">Certificate</th><th scope="col"><span class="visually-hidden">Actions</span></th></tr></thead>
    <tbody>${rows.map((/** @type {any} */ { run, standing }) => html`<tr key=${run.run_id}>
      <td><a class="row" href=${addressOf("live", run.run_id)}>${byId[run.strategy_id]?.name ?? `${run.metadata.instrument_key} ${run.metadata.timeframe}`}</a></td>
      <td><span class=${`state ${healthOf(run, standing, now)}`}>${run.state.replace("_", " ")}</span>${run.mode === "paper" && html`<br /><small class="quiet">orders on paper</small>`}${standing?.waits_for && html`<br /><small class="warn">waits for ${standing.waits_for}</small>`}</td>
      <td class="number">${standing && run.state === "running" ? duration(lagOf(run, standing, now)) : "–"}</td>
      <td>${standing ? (standing.side && standing.side !== "none" ? html`${standing.side} ${number(standing.quantity, 4)} at ${price(standing.entry_price)}` : "none") : "–"}</td>
      <td class=${`number ${tone(standing?.return_pct)}`}>${standing ? percent(standing.return_pct) : "–"}</td>
      <td>${told[run.run_id]?.event ? html`${said(told[run.run_id].event.body)} <small class="quiet">${ago(told[run.run_id].event.at, now)}</small>` : standing?.signal ? `signal ${standing.signal}` : "–"}</td>
      <td><span class=${`state ${PARITY[run.parity] ?? ""}`}>${run.parity}</span></td>
      <td><${Switch} run=${run} again=${again} /></td></tr>`)}</tbody></table></div>
    <p class="quiet small">Paper trades; times are UTC. A certificate says whether the run did what its backtest does over the same candles.</p>`;
}

const PARITY = /** @type {Record<string, string>} */ ({ equal: "good", explained: "late", broken: "bad" });

/** @param {any} body */
function said(body) {
  switch (body.kind) {
    case "signal": return `signal ${body.signal}`;
    case "entry": return `${body.side} at ${price(body.price)}`;
    case "exit": return `exit by ${String(body.reason).replaceAll("_", " ")}, ${percent(body.return_pct)}`;
    case "state": return body.to_state.replace("_", " ");
    case "order": return `order ${body.side} ${number(body.quantity, 4)}`;
    case "fill": return `filled ${body.side} ${number(body.quantity, 4)} at ${price(body.price)}`;
    case "halt": return "orders halted";
    default: return body.kind.replaceAll("_", " ");
  }
}

/** @param {any} props */
function Switch({ run, again }) {
  const [busy, setBusy] = useState(false);
  const action = ["stopped", "failed", "stopping"].includes(run.state) ? "run" : "stop";
  const send = async () => {
    setBusy(true);
    try {
      await post(`/runs/${run.run_id}/${action}`);
      again();
    } catch (error) {
      sayFault(error);
    }
    setBusy(false);
  };
  return html`<button type="button" class="small" disabled=${busy} onClick=${send}>${action === "run" ? "Run again" : "Stop"}</button>`;
}

/** @param {string} id */
async function readRun(id) {
  const [run, trades, events] = await Promise.all([get(`/runs/${id}`), get(`/runs/${id}/trades`, { limit: 500 }), get(`/runs/${id}/events`, { limit: 500 })]);
  let strategy = null;
  try {
    strategy = await get(`/strategies/${run.strategy_id}`);
  } catch {
    // It may be deleted: the run says what it ran.
  }
  return { run, trades: trades.trades, events: events.events, strategy };
}

/** @param {{id: string}} props */
function OneRun({ id }) {
  const known = useAnswer(() => readRun(id), [id]);
  const now = useNow();
  useEffect(() => listen(({ kind, data }) => { if (kind === "strategy_event" && data.run_id === id) known.again(); }), [id]);
  return html`<p class="small"><a href=${addressOf("live")}>Live</a></p>
    <${Answered} of=${known}>${(/** @type {any} */ { run, trades, events, strategy }) => html`
      <div class="head"><h1>${strategy?.name ?? run.metadata.instrument_key}</h1><span class=${`state ${healthOf(run, run.standing, now)}`}>${run.state.replace("_", " ")} since ${time(run.state_since)}</span>
        <span class="end"><${Switch} run=${run} again=${known.again} /></span></div>
      <p class="quiet">${run.metadata.instrument_key} · ${run.metadata.timeframe}${strategy && ` · ${strategyWords(strategy.spec)}`}</p>
      ${run.state === "failed" && h(Fault, { error: new Error(run.events[run.events.length - 1].cause) })}
      ${run.standing?.waits_for && html`<p class="note">It waits for ${run.standing.waits_for}.</p>`}
      ${run.standing && html`<dl class="metrics">${[["Return", percent(run.standing.return_pct)], ["Equity", number(run.standing.equity_quote)], ["Position", run.standing.side ?? "none"], ["Trades", run.standing.trades], ["Last bar", run.standing.last_bar ? time(run.standing.last_bar) : "–"]]
        .map(([title, value]) => html`<div key=${title} class="metric"><dt>${title}</dt><dd>${value}</dd></div>`)}</dl>`}
      <${Certificate} run=${run} />
      <section class="card"><h2>Trades</h2>${trades.length ? h(RunTrades, { trades }) : html`<p class="quiet">None yet.</p>`}</section>
      <section class="card"><h2>What it said</h2>${h(Said, { events })}</section>`}<//>`;
}

/** @param {any} props */
function Certificate({ run }) {
  const [state, setState] = useState(/** @type {any} */ ({}));
  const certify = async () => {
    setState({ busy: true });
    try {
      setState({ certificate: await get(`/runs/${run.run_id}/certificate`) });
    } catch (error) {
      setState({ error });
    }
  };
  return html`<section class="card" aria-label="Certificate"><div class="head"><h2>Certificate</h2><span class=${`state ${PARITY[run.parity] ?? ""}`}>${run.parity}${run.parity_at ? `, ${time(run.parity_at)}` : ""}</span>
      <span class="end"><button type="button" class="small" disabled=${state.busy} onClick=${certify}>${state.busy ? "Certifying" : "Certify now"}</button>
      ${state.certificate && html`<button type="button" class="small" onClick=${() => save(`certificate-${run.run_id}.json`, JSON.stringify(state.certificate, null, 1), "application/json")}>Save</button>`}</span></div>
    ${state.error && h(Fault, { error: state.error })}
    ${state.certificate && html`<p>Verdict: <b>${verdictOf(state.certificate)}</b>.</p>`}</section>`;
}

/** @param {any} certificate */
const verdictOf = (certificate) => String(certificate.verdict ?? certificate.parity ?? "see the file").replaceAll("_", " ");

/** @param {any} props */
function RunTrades({ trades }) {
  return html`<div class="rows" tabindex="0" role="region" aria-label="Trades of the run"><table><thead><tr><th scope="col">Opened</th><th scope="col">Closed</th><th scope="col">Side</th><th scope="col" class="number">Entry</th><th scope="col" class="number">Exit</th><th scope="col" class="number">Return</th></tr></thead>
    <tbody>${trades.map((/** @type {any} */ one) => html`<tr key=${one.number}><td>${time(one.entered)}</td><td>${one.exited ? time(one.exited) : one.state}</td><td>${one.entry.side}</td>
      <td class="number">${price(one.entry.price)}</td><td class="number">${one.exit ? price(one.exit.price) : "–"}</td><td class=${`number ${tone(one.exit?.return_pct)}`}>${one.exit ? percent(one.exit.return_pct) : "–"}</td></tr>`)}</tbody></table></div>`;
}

/** @param {any} props */
function Said({ events }) {
  return html`<div class="rows" tabindex="0" role="region" aria-label="Events of the run"><table><thead><tr><th scope="col">At</th><th scope="col">What</th><th scope="col">Why</th></tr></thead>
    <tbody>${[...events].reverse().map((/** @type {any} */ one) => html`<tr key=${one.number}><td>${time(one.at)}</td><td>${said(one.body)}</td><td class="wide">${one.body.cause ?? one.body.note ?? ""}</td></tr>`)}</tbody></table></div>`;
}
