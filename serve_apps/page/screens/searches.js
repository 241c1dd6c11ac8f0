// Searches: every job of the user, with its state, its best, and its form to begin again with.
import { h, html, useEffect, useState } from "../vendor/preact.js";
import { call, get } from "../api.js";
import { count, instrumentName, percent, time, tone } from "../model/formats.js";
import { marketsIfKnown } from "../model/lists.js";
import { Answered, Empty, useAnswer } from "../parts/states.js";
import { deleteSoon, sayFault } from "../parts/toast.js";
import { addressOf, go, packed } from "../routing.js";

const AGAIN_MS = 2_000;
const TONES = /** @type {Record<string, string>} */ ({ succeeded: "good", failed: "bad", running: "busy", queued: "busy" });

export function Screen() {
  const [more, setMore] = useState(/** @type {any[]} */ ([]));
  const page = useAnswer(async () => {
    const [answer, every] = await Promise.all([get("/backtests/jobs", { limit: 50 }), marketsIfKnown()]);
    return { ...answer, every };
  });
  const [gone, setGone] = useState(/** @type {Set<string>} */ (new Set()));
  const runs = page.answer?.jobs.some((/** @type {any} */ one) => TONES[one.state] === "busy");
  useEffect(() => {
    if (!runs) return undefined;
    const timer = setInterval(() => document.hidden || page.again(), AGAIN_MS);
    return () => clearInterval(timer);
  }, [runs]);
  return html`<div class="head"><h1>Searches</h1><span class="end"><a class="button main" href=${addressOf("build")}>New search</a></span></div>
    <${Answered} of=${page}>${(/** @type {any} */ answer) => {
      const jobs = [...answer.jobs, ...more].filter((one) => !gone.has(one.job_id));
      if (!jobs.length) return h(Empty, { title: "No search yet", children: html`<p>A search tries every combination of what you leave open, exactly.</p><a class="button main" href=${addressOf("build")}>Build one</a>` });
      return html`<${Jobs} jobs=${jobs} every=${answer.every} remove=${(/** @type {any} */ job) => remove(job, setGone)} />
        ${nextOf(answer, more) && html`<button type="button" onClick=${() => older(nextOf(answer, more), setMore)}>Older searches</button>`}`;
    }}<//>`;
}

/** @param {any} answer @param {any[]} more */
const nextOf = (answer, more) => (more.length ? more[more.length - 1].next : answer.next_cursor);

/** @param {string} cursor @param {any} setMore */
async function older(cursor, setMore) {
  try {
    const page = await get("/backtests/jobs", { limit: 50, cursor });
    setMore((/** @type {any[]} */ before) => [...before, ...page.jobs.map((/** @type {any} */ one) => ({ ...one, next: page.next_cursor }))]);
  } catch (error) {
    sayFault(error);
  }
}

/** @param {any} job @param {any} setGone */
function remove(job, setGone) {
  setGone((/** @type {Set<string>} */ before) => new Set([...before, job.job_id]));
  const takeBack = () => setGone((/** @type {Set<string>} */ before) => new Set([...before].filter((one) => one !== job.job_id)));
  deleteSoon("The search and its results are deleted.", () => call("DELETE", `/backtests/jobs/${job.job_id}`), takeBack);
}

/** @param {any} props */
function Jobs({ jobs, every, remove }) {
  const again = async (/** @type {string} */ id) => {
    try {
      go(addressOf("build", "", { d: packed((await get(`/backtests/jobs/${id}`)).request) }));
    } catch (error) {
      sayFault(error);
    }
  };
  return html`<div class="rows" tabindex="0" role="region" aria-label="Searches"><table>
    <thead><tr><th scope="col">Begun</th><th scope="col">Market</th><th scope="col">State</th><th scope="col" class="number">Variants</th><th scope="col" class="number">Best</th><th scope="col"><span class="visually-hidden">Actions</span></th></tr></thead>
    <tbody>${jobs.map((/** @type {any} */ job) => html`<tr key=${job.job_id}>
      <td><a class="row" href=${addressOf("result", job.job_id)}>${time(job.created_at)}</a></td>
      <td>${instrumentName(job.instrument, every)} · ${job.timeframe}</td>
      <td><span class=${`state ${TONES[job.state] ?? ""}`}>${job.state}${job.state === "running" && job.simulations ? ` ${Math.floor((100 * job.variants_done) / job.simulations)} %` : ""}</span></td>
      <td class="number">${count(job.variants_total)}</td>
      <td class=${`number ${tone(job.best_total_return_pct)}`}>${percent(job.best_total_return_pct)}</td>
      <td class="number"><span class="buttons"><button type="button" class="small" onClick=${() => again(job.job_id)}>Form</button>
        ${["succeeded", "failed", "cancelled"].includes(job.state) && html`<button type="button" class="quiet small" onClick=${() => remove(job)}>Delete</button>`}</span></td></tr>`)}</tbody></table></div>`;
}
