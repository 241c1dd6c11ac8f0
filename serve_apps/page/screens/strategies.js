// Strategies: what is saved, to be looked at, run, or taken as the beginning of a search.
import { h, html, useState } from "../vendor/preact.js";
import { call, get, post } from "../api.js";
import { count, day, percent } from "../model/formats.js";
import { strategyWords } from "../model/requests.js";
import { Answered, Empty, useAnswer } from "../parts/states.js";
import { deleteSoon, say, sayFault } from "../parts/toast.js";
import { addressOf, go, packed } from "../routing.js";

export function Screen() {
  const [typed, setTyped] = useState("");
  const [gone, setGone] = useState(/** @type {Set<string>} */ (new Set()));
  const known = useAnswer(async () => {
    const [page, runs, held] = await Promise.all([get("/strategies", { limit: 200 }), get("/runs", { limit: 500 }), get("/holdouts")]);
    return { page, runs: runs.runs, holdouts: held.holdouts };
  });
  return html`<div class="head"><h1>Strategies</h1><span class="end"><input type="search" aria-label="Filter by name" placeholder="Filter by name" value=${typed}
      onInput=${(/** @type {any} */ event) => setTyped(event.target.value)} /></span></div>
    <${Answered} of=${known}>${(/** @type {any} */ { page, runs, holdouts }) => {
      const kept = page.strategies.filter((/** @type {any} */ one) => !gone.has(one.strategy_id));
      if (!kept.length) return h(Empty, { title: "Nothing is saved yet", children: html`<p>Open a variant of a search and save it: it never changes from then on.</p><a class="button main" href=${addressOf("searches")}>To the searches</a>` });
      const shown = kept.filter((/** @type {any} */ one) => one.name.toLowerCase().includes(typed.toLowerCase()));
      return html`<${List} strategies=${shown} runs=${runs} again=${known.again} remove=${(/** @type {any} */ one) => remove(one, setGone)} />
        ${holdouts.length > 0 && html`<${Holdouts} holdouts=${holdouts} strategies=${kept} again=${known.again} />`}`;
    }}<//>`;
}

/** @param {any} strategy @param {any} setGone */
function remove(strategy, setGone) {
  const id = strategy.strategy_id;
  setGone((/** @type {Set<string>} */ before) => new Set([...before, id]));
  const takeBack = () => setGone((/** @type {Set<string>} */ before) => new Set([...before].filter((one) => one !== id)));
  deleteSoon(`${strategy.name} is deleted.`, () => call("DELETE", `/strategies/${id}`), takeBack);
}

const ACTIVE = ["starting", "warming_up", "running", "stopping"];

/** @param {any} props */
function List({ strategies, runs, remove }) {
  const [busy, setBusy] = useState("");
  const run = async (/** @type {string} */ id) => {
    setBusy(id);
    try {
      const started = await post("/runs", { strategy_id: id });
      say(["It starts.", ...started.notes].join(" "));
      go(addressOf("live"));
    } catch (error) {
      sayFault(error);
    }
    setBusy("");
  };
  const active = (/** @type {string} */ id) => runs.find((/** @type {any} */ one) => one.strategy_id === id && ACTIVE.includes(one.state));
  return html`<div class="rows" tabindex="0" role="region" aria-label="Strategies"><table>
    <thead><tr><th scope="col">Name</th><th scope="col">What it is</th><th scope="col">Verdict</th><th scope="col">Saved</th><th scope="col"><span class="visually-hidden">Actions</span></th></tr></thead>
    <tbody>${strategies.map((/** @type {any} */ one) => html`<tr key=${one.strategy_id}>
      <td><a class="row" href=${addressOf("result", one.strategy_id, { of: "strategy" })}>${one.name}</a></td>
      <td>${one.spec.instrument.symbol} ${one.spec.timeframe} · ${strategyWords(one.spec)}</td>
      <td>${one.verdict ? (one.verdict.says ?? "none") : "–"}</td>
      <td>${day(one.created_at)}</td>
      <td><span class="buttons">${active(one.strategy_id)
        ? html`<a class="button small" href=${addressOf("live", active(one.strategy_id).run_id)}>Runs</a>`
        : html`<button type="button" class="small" disabled=${busy === one.strategy_id} onClick=${() => run(one.strategy_id)}>Run</button>`}
        <button type="button" class="small" onClick=${() => go(addressOf("build", "", { d: packed(one.spec) }))}>Clone</button>
        <button type="button" class="quiet small" disabled=${Boolean(active(one.strategy_id))} onClick=${() => remove(one)}>Delete</button></span></td></tr>`)}</tbody></table></div>`;
}

/** Candles that were sealed before a search, and the one look at them. @param {any} props */
function Holdouts({ holdouts, strategies, again }) {
  return html`<h2>Held-out candles</h2>
    <div class="rows" tabindex="0" role="region" aria-label="Held-out candles"><table>
    <thead><tr><th scope="col">Candles</th><th scope="col">State</th><th scope="col"><span class="visually-hidden">Open</span></th></tr></thead>
    <tbody>${holdouts.map((/** @type {any} */ one) => html`<tr key=${one.holdout_id}>
      <td>${one.instrument.symbol} ${day(one.time_range.start)} to ${day(one.time_range.end)}</td>
      <td>${one.opened_at ? outcome(one) : `sealed${one.searched_before ? `, seen by ${count(one.searched_before)} searches before` : ""}`}</td>
      <td>${!one.opened_at && html`<${Opening} holdout=${one} again=${again}
        strategies=${strategies.filter((/** @type {any} */ each) => each.spec.instrument.symbol === one.instrument.symbol)} />`}</td></tr>`)}</tbody></table></div>`;
}

/** @param {any} holdout */
const outcome = (holdout) => `opened ${day(holdout.opened_at)}: ${holdout.results.map((/** @type {any} */ one) => `${one.name} ${percent(one.total_return_pct)}`).join(", ") || "without a look"}`;

/** Choose a strategy, and confirm: what is opened cannot be sealed again. @param {any} props */
function Opening({ holdout, strategies, again }) {
  const [chosen, setChosen] = useState("");
  const [busy, setBusy] = useState(false);
  const open = async () => {
    setBusy(true);
    try {
      const [did] = (await post(`/holdouts/${holdout.holdout_id}/open`, { strategies: [chosen] })).results;
      say(`On the held-out candles: ${percent(did.total_return_pct)}.`);
      again();
    } catch (error) {
      sayFault(error);
    }
    setBusy(false);
  };
  return html`<span class="buttons"><select aria-label="Strategy to open them with" value=${chosen} onChange=${(/** @type {any} */ event) => setChosen(event.target.value)}>
      <option value="">choose a strategy</option>
      ${strategies.map((/** @type {any} */ one) => html`<option key=${one.strategy_id} value=${one.strategy_id}>${one.name}</option>`)}</select>
    <button type="button" class="small" disabled=${!chosen || busy} onClick=${open}>Open once</button></span>`;
}
