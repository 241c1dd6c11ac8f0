// Strategies: what is saved, to be looked at, run, or taken as the beginning of a search.
import { h, html, useState } from "../vendor/preact.js";
import { call, get, post } from "../api.js";
import { day } from "../model/formats.js";
import { strategyWords } from "../model/requests.js";
import { Answered, Empty, useAnswer } from "../parts/states.js";
import { deleteSoon, say, sayFault } from "../parts/toast.js";
import { addressOf, go, packed } from "../routing.js";

export function Screen() {
  const [typed, setTyped] = useState("");
  const [gone, setGone] = useState(/** @type {Set<string>} */ (new Set()));
  const known = useAnswer(async () => {
    const [page, runs] = await Promise.all([get("/strategies", { limit: 200 }), get("/runs", { limit: 500 })]);
    return { page, runs: runs.runs };
  });
  return html`<div class="head"><h1>Strategies</h1><span class="end"><input type="search" aria-label="Filter by name" placeholder="Filter by name" value=${typed}
      onInput=${(/** @type {any} */ event) => setTyped(event.target.value)} /></span></div>
    <${Answered} of=${known}>${(/** @type {any} */ { page, runs }) => {
      const kept = page.strategies.filter((/** @type {any} */ one) => !gone.has(one.strategy_id));
      if (!kept.length) return h(Empty, { title: "Nothing is saved yet", children: html`<p>Open a variant of a search and save it: it never changes from then on.</p><a class="button main" href=${addressOf("searches")}>To the searches</a>` });
      const shown = kept.filter((/** @type {any} */ one) => one.name.toLowerCase().includes(typed.toLowerCase()));
      return html`<${List} strategies=${shown} runs=${runs} again=${known.again} remove=${(/** @type {any} */ one) => remove(one, setGone)} />`;
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
    <thead><tr><th scope="col">Name</th><th scope="col">What it is</th><th scope="col">Saved</th><th scope="col"><span class="visually-hidden">Actions</span></th></tr></thead>
    <tbody>${strategies.map((/** @type {any} */ one) => html`<tr key=${one.strategy_id}>
      <td><a class="row" href=${addressOf("result", one.strategy_id, { of: "strategy" })}>${one.name}</a></td>
      <td>${one.spec.instrument.symbol} ${one.spec.timeframe} · ${strategyWords(one.spec)}</td>
      <td>${day(one.created_at)}</td>
      <td><span class="buttons">${active(one.strategy_id)
        ? html`<a class="button small" href=${addressOf("live", active(one.strategy_id).run_id)}>Runs</a>`
        : html`<button type="button" class="small" disabled=${busy === one.strategy_id} onClick=${() => run(one.strategy_id)}>Run</button>`}
        <button type="button" class="small" onClick=${() => go(addressOf("build", "", { d: packed(one.spec) }))}>Clone</button>
        <button type="button" class="quiet small" disabled=${Boolean(active(one.strategy_id))} onClick=${() => remove(one)}>Delete</button></span></td></tr>`)}</tbody></table></div>`;
}
