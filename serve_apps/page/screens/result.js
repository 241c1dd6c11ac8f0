// The result of one search: its progress while it runs, its ranking, and the report of any of its variants.
import { h, html, useRef, useState } from "../vendor/preact.js";
import { get, post } from "../api.js";
import { count, day, duration, instrumentName, metric, percent, tone } from "../model/formats.js";
import { columns } from "../model/arrow.js";
import { marketsIfKnown } from "../model/lists.js";
import { LEVELS, SIZES, searchedIn, strategyWords } from "../model/requests.js";
import { Report } from "../parts/report.js";
import { Answered, Fault, Loading, sentence, useAnswer } from "../parts/states.js";
import { Table } from "../parts/table.js";
import { say, sayFault } from "../parts/toast.js";
import { addressOf, go, packed, place } from "../routing.js";
import { useJob } from "../model/jobs.js";

const SHOWN = 500;

/** @param {{id: string}} props */
export function Screen({ id }) {
  const variant = place.value.query.get("v");
  const isStrategy = place.value.query.get("of") === "strategy";
  if (isStrategy) return h(StrategyReport, { id });
  return variant === null ? h(Search, { id }) : h(VariantReport, { id, index: Number(variant) });
}

/** @param {{id: string}} props */
function Search({ id }) {
  const { job: latest, error } = useJob(id);
  const every = useAnswer(marketsIfKnown);
  const hasSucceeded = latest?.state === "succeeded";
  const judged = useAnswer(async () => (hasSucceeded ? get(`/backtests/jobs/${id}/top`, { limit: 1 }) : null), [id, hasSucceeded]);
  const shown = useRef(/** @type {any} */ (null));
  // The end is shown together with the verdict above the ranking: rows that move later are clicked wrongly.
  if (latest && every.answer && (!hasSucceeded || judged.answer || judged.error)) shown.current = latest;
  const job = shown.current;
  if (!job) return error ? h(Fault, { error }) : h(Loading, {});
  const { request } = job;
  const what = searchedIn(request);
  return html`<div class="head"><h1>${instrumentName(request.instrument, every.answer)} · ${request.timeframe}</h1>
      <span class="end">
        <a class="button" href=${addressOf("build", "", { d: packed(request) })}>Same form again</a>
        ${!isOver(job) && html`<button type="button" disabled=${job.cancel_requested} onClick=${() => cancel(id)}>${job.cancel_requested ? "Cancelling" : "Cancel"}</button>`}</span></div>
    <p class="quiet">${day(request.time_range.start)} to ${day(request.time_range.end)} · ${count(job.variants_total)} variants${what.length > 0 && ` of ${what.join(", ")}`}</p>
    ${!isOver(job) && h(Progress, { job })}
    ${job.state === "failed" && h(Fault, { error: new Error(`The search failed: ${job.error}`) })}
    ${job.state === "cancelled" && html`<p class="note">Cancelled after ${count(job.variants_done)} of ${count(job.simulations)} simulations. What was found is kept.</p>`}
    ${job.state === "succeeded" && h(Judgement, { id, judged })}
    <${Ranking} job=${job} />`;
}

const isOver = (/** @type {any} */ job) => ["succeeded", "failed", "cancelled"].includes(job.state);

/** @param {string} id */
async function cancel(id) {
  try {
    await post(`/backtests/jobs/${id}/cancel`);
    say("The search ends; what it has found is kept.");
  } catch (error) {
    sayFault(error);
  }
}

/** @param {{job: any}} props */
export function Progress({ job }) {
  const share = job.simulations ? job.variants_done / job.simulations : 0;
  return html`<section class="card" aria-label="Progress"><div class="head"><h2>${job.state === "queued" ? "Waiting" : phaseWords(job.phase)}</h2>
      <span class="quiet number">${job.state === "queued" ? (job.waiting_for ?? "for its turn") : `${count(job.variants_done)} of ${count(job.simulations)}`}</span>
      <span class="end number">${job.eta_s !== null && `about ${duration(job.eta_s)} left`}</span></div>
    <progress aria-label="Share that is done" max="1" value=${job.state === "queued" ? undefined : share}></progress>
    <p>${job.best_total_return_pct !== null && html`Best so far <b class=${`number ${tone(job.best_total_return_pct)}`}>${percent(job.best_total_return_pct)}</b>. `}
      <span class="quiet">It goes on if you leave this page.</span></p></section>`;
}

const phaseWords = (/** @type {string} */ phase) => ({
  queued: "Starting", candles: "Reading candles", compile: "Compiling", planes: "Computing indicators", "stage-a": "Searching", tables: "Preparing stops", "stage-b": "Searching under stops", reports: "Writing reports", luck: "Searching histories of chance",
}[phase] ?? phase);

/** Is the best more than luck, and what is to know of the candles. @param {{id: string, judged: any}} props */
function Judgement({ id, judged }) {
  return html`<${Answered} of=${judged}>${(/** @type {any} */ { verdict, verdict_text: text, luck, notes }) => html`
    ${verdict && html`<section class="card" aria-label="Verdict"><h2>Skill or luck: <span class=${TONES[verdict.says] ?? "quiet"}>${verdict.says ?? "no verdict"}</span></h2>
      <p class="prose">${verdict.says ? text.slice(text.indexOf(". ") + 2) : text}</p>
      ${verdict.pictures && html`<img class="pictures" width="728" height="448" src=${`/backtests/jobs/${id}/verdict.svg`} alt="The verdict in pictures: ranks and returns of the winners on the other half, the best results of luck, and the walk-forward" />`}
      ${verdict.says && h(Evidence, { verdict })}</section>`}
    ${luck && html`<section class="card" aria-label="Histories of chance"><h2>Beside histories of chance</h2><p class="prose">${luck.summary.join(" ")}</p></section>`}
    ${notes.map((/** @type {string} */ note) => html`<p key=${note} class="note small">${sentence(note)}</p>`)}`}<//>`;
}

const TONES = /** @type {Record<string, string>} */ ({ "likely an edge": "gain", "likely noise": "loss", "not proven": "warn" });

/** The numbers behind a verdict; the first two decide. @param {{verdict: any}} props */
function Evidence({ verdict }) {
  const rows = /** @type {[string, string][]} */ ([
    ["Winners that lost on the other half", share(verdict.losing_splits)],
    ["Luck p, of the whole grid", decimal(verdict.luck_p, 3)],
    ...(verdict.earlier ? [[`With ${count(verdict.earlier.searches)} earlier searches`, decimal(verdict.luck_p_with_earlier, 3)]] : []),
    ["Variants that traded", count(verdict.variants)],
    ["Count as independent ones", decimal(verdict.independent_variants, 1)],
    ["Probability of overfitting (PBO)", share(verdict.pbo)],
    ["Return kept on the other half", share(verdict.return_kept)],
    ["Best Sharpe", decimal(verdict.best_sharpe, 2)],
    ["Sharpe that luck alone reaches", decimal(verdict.luck_sharpe, 2)],
    ...(verdict.walk_forward ? [["Walk-forward", `${verdict.walk_forward.return_pct.toFixed(1)} %`]] : []),
  ]);
  return html`<dl class="pairs small">${rows.map(([name, value]) => html`<div key=${name}><dt class="quiet">${name}</dt><dd class="number">${value}</dd></div>`)}</dl>`;
}

const decimal = (/** @type {number | null} */ value, /** @type {number} */ digits) => (value === null ? "–" : value.toFixed(digits));
const share = (/** @type {number | null} */ value) => (value === null ? "–" : `${Math.round(100 * value)} %`);

/** @param {{job: any}} props */
function Ranking({ job }) {
  // The table is asked for again while the search runs: whenever more is done, and once when it is over.
  const top = useAnswer(() => columns("GET", `/backtests/jobs/${job.job_id}/top`, { query: { limit: SHOWN } }),
    [job.state, isOver(job) ? 0 : Math.floor(Date.now() / 3000)]);
  return html`<${Answered} of=${top}>${(/** @type {any} */ table) => (table.length ? h(RankingTable, { job, table }) : !isOver(job) ? null
    : html`<p>No variant is ranked${job.state === "succeeded" ? ": all were pruned. Loosen the limits and search again." : "."}</p>`)}<//>`;
}

const METRICS = /** @type {[string, string][]} */ ([
  ["Max. Drawdown [%]", "Drawdown"], ["Num. Trades", "Trades"], ["Win Rate [%]", "Win rate"], ["Sharpe Ratio", "Sharpe"], ["Sortino Ratio", "Sortino"], ["Calmar Ratio", "Calmar"], ["Profit Factor", "Profit factor"],
]);

/** @param {any} props */
function RankingTable({ job, table }) {
  const [typed, setTyped] = useState("");
  const { names, column, length } = table;
  const values = Object.fromEntries(names.map((/** @type {string} */ name) => [name, column(name)]));
  const params = names.filter((/** @type {string} */ name) => isParameter(name) && varies(values[name]));
  const rows = Array.from({ length }, (_, at) => at).filter((at) => !typed || params.some((/** @type {string} */ name) => `${name} ${values[name][at]}`.includes(typed)));
  const all = [
    { name: "rank", title: "Rank", isNumber: true, value: (/** @type {number} */ at) => values.rank[at] },
    { name: "open", title: "Variant", isFixed: true, value: (/** @type {number} */ at) => values.variant_index[at],
      show: (/** @type {number} */ at) => html`<a class="row" href=${addressOf("result", job.job_id, { v: values.variant_index[at] })}>Report</a>` },
    ...params.map((/** @type {string} */ name) => ({ name, title: name.replace("_pct", " %").replaceAll("_", " "), isNumber: typeof values[name][0] === "number", value: (/** @type {number} */ at) => values[name][at] })),
    { name: "return", title: "Return %", isNumber: true, value: (/** @type {number} */ at) => values.total_return_pct[at], show: (/** @type {number} */ at) => percent(values.total_return_pct[at]).replace(" %", ""), tone: (/** @type {number} */ at) => tone(values.total_return_pct[at]) },
    ...METRICS.filter(([name]) => name in values).map(([name, title]) => ({ name, title, isNumber: true, value: (/** @type {number} */ at) => values[name][at], show: (/** @type {number} */ at) => metric(name, values[name][at]).replace(" %", "") })),
  ];
  return html`<div class="head"><h2>${isOver(job) && job.state === "succeeded" ? "Best variants" : "Best so far"}</h2>
      <span class="quiet">${count(length)} of ${count(job.variants_total)}</span>
      <span class="end">${length > 20 && html`<input type="search" aria-label="Filter" placeholder="Filter, such as window 20" value=${typed} onInput=${(/** @type {any} */ event) => setTyped(event.target.value)} />`}</span></div>
    <${Table} label="Best variants" columns=${all} rows=${rows} keyOf=${(/** @type {number} */ at) => values.variant_index[at]} />`;
}

/** `sma.window`, `fast.window`, `sl_pct`: metrics have names for people. @param {string} name */
const isParameter = (name) => /^[a-z0-9_]+(\.[a-z0-9_]+)+$/.test(name) || LEVELS.some((level) => level.name === name) || name in SIZES;

/** @param {ArrayLike<any>} values */
function varies(values) {
  for (let at = 1; at < values.length; at++) if (values[at] !== values[0]) return true;
  return values.length === 1;
}

/** @param {{id: string, index: number}} props */
function VariantReport({ id, index }) {
  const variant = useAnswer(async () => {
    const [{ strategy }, every] = await Promise.all([get(`/backtests/jobs/${id}/variant`, { variant_index: index }), marketsIfKnown()]);
    return { strategy, every };
  }, [id, index]);
  return html`<${Answered} of=${variant}>${(/** @type {any} */ { strategy, every }) => html`
    <${Head} strategy=${strategy} every=${every} back=${html`<a href=${addressOf("result", id)}>Search</a> · variant ${count(index)}`} body=${{ variant: { job_id: id, variant_index: index } }} />
    <${Report} strategy=${strategy} />`}<//>`;
}

/** @param {{id: string}} props */
function StrategyReport({ id }) {
  const saved = useAnswer(async () => {
    const strategy = await get(`/strategies/${id}`);
    const { instrument } = strategy.spec;
    const [stored] = await get("/market-data/coverage", instrument);
    if (!stored) throw new Error(`No candles of ${instrument.symbol} are stored.`);
    const { holdouts } = await get("/holdouts");
    const sealed = holdouts.filter((/** @type {any} */ one) => one.opened_at === null && one.instrument.symbol === instrument.symbol);
    const end = Math.min(new Date(stored.last).getTime() + 60_000, ...sealed.map((/** @type {any} */ one) => new Date(one.time_range.start).getTime()));
    const start = Math.max(new Date(stored.first).getTime(), end - 365 * 86_400_000);
    const { spec_version: _, ...spec } = strategy.spec;
    const ranged = { ...spec, time_range: { start: new Date(start).toISOString(), end: new Date(end).toISOString() } };
    return { strategy: ranged, verdict: strategy.verdict, looks: strategy.holdouts ?? [], every: await marketsIfKnown() };
  }, [id]);
  return html`<${Answered} of=${saved}>${(/** @type {any} */ { strategy, verdict, looks, every }) => html`
    <${Head} strategy=${strategy} every=${every} back=${html`<a href=${addressOf("strategies")}>Strategies</a>`} saved=${id} />
    ${verdict && html`<p>Saved from a search whose verdict was <b class=${TONES[verdict.says] ?? "quiet"}>${verdict.says ?? "none"}</b>.</p>`}
    ${looks.map((/** @type {any} */ one) => html`<p key=${one.holdout_id}>On the held-out candles of ${day(one.time_range.start)} to ${day(one.time_range.end)}: ${" "}
      <b class=${`number ${tone(one.total_return_pct)}`}>${percent(one.total_return_pct)}</b>${one.benchmark_pct !== null && html` <span class="quiet">(holding ${percent(one.benchmark_pct)})</span>`}${one.chosen > 1 && ` as one of ${one.chosen} that were chosen`}.</p>`)}
    <${Report} strategy=${strategy} />`}<//>`;
}

/** @param {any} props */
function Head({ strategy, every, back, body, saved }) {
  const [busy, setBusy] = useState(false);
  const keep = async (/** @type {boolean} */ run) => {
    setBusy(true);
    try {
      const strategyId = saved ?? (await post("/strategies", body)).strategy_id;
      if (run) await post("/runs", { strategy_id: strategyId });
      say(run ? "It starts." : "Saved.");
      go(addressOf(run ? "live" : "strategies"));
    } catch (error) {
      sayFault(error);
    }
    setBusy(false);
  };
  return html`<p class="small">${back}</p>
    <div class="head"><h1>${strategyWords(strategy)}</h1><span class="end">
      ${!saved && html`<button type="button" class="main" disabled=${busy} onClick=${() => keep(false)}>Save as strategy</button>`}
      ${saved && html`<button type="button" class="main" disabled=${busy} onClick=${() => keep(true)}>Run live</button>`}
      <a class="button" href=${addressOf("build", "", { d: packed(strategy) })}>Edit a copy</a></span></div>
    <p class="quiet">${instrumentName(strategy.instrument, every)} · ${strategy.timeframe} · ${day(strategy.time_range.start)} to ${day(strategy.time_range.end)} · ${strategy.direction.replace("-", " and ").replace(" and only", " only")}</p>`;
}
