// Build a search: market, indicators with their axes, stops; its count at every key, its cost when typing rests.
import { h, html, useEffect, useMemo, useRef, useState } from "../vendor/preact.js";
import { Refusal, post } from "../api.js";
import { AxisField } from "../parts/axis_field.js";
import { Finder } from "../parts/finder.js";
import { Answered, Command, Empty, Fault, useAnswer } from "../parts/states.js";
import { count, day, duration, instrumentName } from "../model/formats.js";
import { catalogue, coverage, markets } from "../model/lists.js";
import { LEVELS, TIMEFRAMES, chosen, draftOf, emptyDraft, levelAxis, missingIn, readsRanges, requestOf, variantsOf } from "../model/requests.js";
import { say } from "../parts/toast.js";
import { addressOf, go, keep, packed, place, unpacked } from "../routing.js";

const RESTS_MS = 450;

export function Screen() {
  const known = useAnswer(async () => {
    const [stored, all, every] = await Promise.all([coverage(), catalogue(), markets()]);
    return { stored, all, every };
  });
  return h(Answered, { of: known, children: (answer) => (answer.stored.length ? h(Form, answer) : h(NoCandles, {})) });
}

function NoCandles() {
  return html`<h1>Build a search</h1>${h(Empty, {
    title: "There are no candles yet",
    children: html`<p>A search goes over stored candles. This command fetches some:</p>
      <${Command} text="candleray backfill --market binance-spot --symbol BTCUSDT --start 2025-01-01" />`,
  })}`;
}

/** The draft of the address, else a new one over what is stored. @param {any} known */
function firstDraft({ stored, all }) {
  const kept = unpacked(place.value.query.get("d") ?? "");
  if (kept?.instrument) return draftOf(kept, all);
  const first = stored[0];
  const end = new Date(new Date(first.last).getTime() + 60_000);
  const start = new Date(Math.max(new Date(first.first).getTime(), end.getTime() - 365 * 86_400_000));
  return { ...emptyDraft(), market_id: first.market_id, symbol: first.symbol, start: day(start), end: day(end) };
}

/** @param {any} known */
function Form(known) {
  const { stored, all, every } = known;
  const [draft, setDraft] = useState(() => firstDraft(known));
  const missing = missingIn(draft, all);
  const request = useMemo(() => (missing.length ? null : requestOf(draft)), [draft]);
  const size = usePreflight(request);
  const change = (/** @type {Partial<import("../model/requests.js").Draft>} */ part) => setDraft((now) => ({ ...now, ...part }));
  const problems = size.error instanceof Refusal ? size.error.problems : [];
  useEffect(() => {
    const timer = setTimeout(() => keep(addressOf("build", "", { d: packed(requestOf(draft)) })), RESTS_MS);
    return () => clearTimeout(timer);
  }, [draft]);
  return html`<h1>Build a search</h1>
    <div class="build">
      <aside>
        <${Size} draft=${draft} missing=${missing} size=${size} request=${request} />
        <${Market} draft=${draft} change=${change} stored=${stored} every=${every} problems=${problems} />
      </aside>
      <section class="stack">
        ${draft.signals ? h(Signals, { draft, change }) : h(Indicators, { draft, change, all, problems })}
        <${Rules} draft=${draft} change=${change} problems=${problems} />
      </section>
    </div>`;
}

/** Size and cost of a request, asked for when it has not changed for a moment. @param {any} request */
function usePreflight(request) {
  const [state, setState] = useState(/** @type {{of?: any, answer?: any, error?: any}} */ ({}));
  useEffect(() => {
    if (!request) return undefined;
    let wanted = true;
    const timer = setTimeout(() => {
      post("/backtests/preflight", request).then(
        (answer) => wanted && setState({ of: request, answer }),
        (error) => wanted && setState({ of: request, error }),
      );
    }, RESTS_MS);
    return () => { wanted = false; clearTimeout(timer); };
  }, [request]);
  return state.of === request ? state : {};
}

/** @param {any} props */
function Size({ draft, missing, size, request }) {
  const [sending, setSending] = useState(false);
  const [fault, setFault] = useState(/** @type {any} */ (null));
  const most = variantsOf(draft);
  const { answer, error } = size;
  const search = async () => {
    setSending(true);
    setFault(null);
    try {
      const { job_id: id, holdout } = await post("/backtests/jobs", request);
      if (holdout) say(`Sealed: ${day(holdout.time_range.start)} to ${day(holdout.time_range.end)}${holdout.searched_before ? `, though ${count(holdout.searched_before)} searches of yours have seen them` : ""}.`);
      go(addressOf("result", id));
    } catch (failed) {
      setFault(failed);
      setSending(false);
    }
  };
  const total = answer ? answer.variants_total : most;
  return html`<section class="card" aria-label="Size">
    <p class="size number" aria-live="polite">${Number.isNaN(total) ? "–" : count(total)}</p>
    <p class="quiet">${answer ? "variants" : "variants at most"}${answer && html` over ${count(answer.bars)} bars`}</p>
    <p class="line">${answer?.estimated_job_s != null && html`About <b>${duration(answer.estimated_job_s)}</b> on this machine`}</p>
    ${answer?.mode === "refused" && answer.violated_for_job.map((/** @type {any} */ one) =>
      html`<p key=${one.name} class="problem">${one.name.replaceAll("_", " ")} ${count(one.number)} is over the limit of ${count(one.limit)}.</p>`)}
    ${answer?.notes.map((/** @type {string} */ note) => html`<p key=${note} class="note small">${note}</p>`)}
    ${missing.length > 0 && html`<ul class="small quiet">${missing.slice(0, 4).map((/** @type {string} */ one) => html`<li key=${one}>${one}</li>`)}</ul>`}
    ${!missing.length && error && h(Fault, { error })}
    ${fault && h(Fault, { error: fault })}
    <button type="button" class="main" disabled=${sending || !request || answer?.mode === "refused"} onClick=${search}>
      ${sending ? "Sending" : "Search"}</button>
  </section>`;
}

const HOLDOUTS = /** @type {[string, string][]} */ ([["", "nothing"], ["1", "the last month"], ...["2", "3", "6", "12"].map((months) => [months, `the last ${months} months`])]);

/** @param {any} props */
function Market({ draft, change, stored, every, problems }) {
  const own = stored.find((/** @type {any} */ one) => one.market_id === draft.market_id && one.symbol === draft.symbol);
  const take = (/** @type {any} */ event) => {
    const one = stored[Number(event.target.value)];
    const [first, last] = [day(one.first), day(new Date(new Date(one.last).getTime() + 60_000))];
    const fits = draft.start >= first && draft.end <= last;
    change({ market_id: one.market_id, symbol: one.symbol, ...(fits ? {} : { start: first, end: last }) });
  };
  const field = (/** @type {string} */ name) => (/** @type {any} */ event) => change({ [name]: event.target.value });
  const problem = problems.find((/** @type {any} */ one) => /^(time_range|timeframe|instrument|allow_gaps|holdout)/.test(one.field));
  return html`<section class="card" aria-label="Market">
    <h2>Market</h2>
    <label class="field">Instrument<select onChange=${take}>
      ${!own && html`<option selected>${draft.symbol || "choose"}</option>`}
      ${stored.map((/** @type {any} */ one, /** @type {number} */ at) =>
        html`<option key=${at} value=${at} selected=${one === own}>${instrumentName(one, every)}</option>`)}
    </select></label>
    <label class="field">Timeframe<select onChange=${field("timeframe")}>
      ${TIMEFRAMES.map((one) => html`<option key=${one} value=${one} selected=${one === draft.timeframe}>${one}</option>`)}
    </select></label>
    <div class="fields">
      <label class="field">From<input type="date" value=${draft.start} onInput=${field("start")} /></label>
      <label class="field">Until<input type="date" value=${draft.end} onInput=${field("end")} /></label>
    </div>
    <label class="field">Hold out, and seal<select value=${draft.holdout} onChange=${field("holdout")}>
      ${HOLDOUTS.map(([value, name]) => html`<option key=${value} value=${value} selected=${value === draft.holdout}>${name}</option>`)}</select></label>
    ${draft.holdout && html`<p class="small quiet">Nothing of yours reads them until you open them, once, with the strategies that you have chosen.</p>`}
    ${own && html`<p class="small quiet">Stored from ${day(own.first)} to ${day(own.last)}, UTC${own.missing_minutes ? html`, ${count(own.missing_minutes)} minutes missing` : ""}</p>`}
    ${problem && html`<p class="problem">${problem.message}</p>`}
    ${problem?.code === "gaps_in_range" && html`<label class="chips"><input type="checkbox" checked=${draft.allow_gaps} onChange=${() => change({ allow_gaps: true })} /> Search all the same</label>`}
  </section>`;
}

/** @param {any} props */
function Indicators({ draft, change, all, problems }) {
  const set = (/** @type {number} */ at, /** @type {any} */ one) =>
    change({ indicators: draft.indicators.map((/** @type {any} */ each, /** @type {number} */ place) => (place === at ? one : each)) });
  const remove = (/** @type {number} */ at) => change({ indicators: draft.indicators.toSpliced(at, 1) });
  const items = useMemo(() => [...all.values()], [all]);
  return html`<section class="card">
      <${Finder} label="Add an indicator" items=${items} placeholder="Moving average, RSI, volume …"
        text=${(/** @type {any} */ one) => `${one.title} (${one.id})`} more=${(/** @type {any} */ one) => one.rule.meaning}
        choose=${(/** @type {any} */ one) => change({ indicators: [...draft.indicators, chosen(one)] })} />
      ${draft.indicators.length > 1 && html`<p class="quiet small">A position opens where all of them agree.</p>`}
    </section>
    ${draft.indicators.map((/** @type {any} */ one, /** @type {number} */ at) => html`<${IndicatorCard} key=${one.key} info=${all.get(one.id)} one=${one}
      problems=${problems.filter((/** @type {any} */ each) => each.field.startsWith(`indicators.${at}.`))}
      change=${(/** @type {any} */ changed) => set(at, changed)} remove=${() => remove(at)} />`)}`;
}

/** @param {any} props */
function IndicatorCard({ info, one, problems, change, remove }) {
  const group = (/** @type {"params" | "signal"} */ part, /** @type {any[]} */ params) => params.map((param) => html`<${AxisField}
    key=${param.name} title=${param.name} about=${param.description} bounds=${param} axis=${one[part][param.name]}
    problem=${problems.find((/** @type {any} */ each) => each.field.includes(`.${part}.${param.name}`))?.message}
    change=${(/** @type {any} */ axis) => change({ ...one, [part]: { ...one[part], [param.name]: axis } })} />`);
  const loose = problems.filter((/** @type {any} */ each) => !/\.(params|signal)\./.test(each.field));
  return html`<section class="card" aria-label=${info.title}>
    <div class="head"><h2>${info.title}</h2><span class="end"><button type="button" class="quiet small" aria-label=${`Remove ${info.title}`} onClick=${remove}>Remove</button></span></div>
    <p class="quiet">${info.rule.meaning}</p>
    <div>${Object.keys(one.inputs).map((name) => html`<${Columns} key=${name} name=${name} all=${info.inputs.find((/** @type {any} */ each) => each.name === name).columns}
        taken=${one.inputs[name]} change=${(/** @type {string[]} */ columns) => change({ ...one, inputs: { ...one.inputs, [name]: columns } })} />`)}
      ${group("params", info.params)}
      ${group("signal", info.rule.params)}</div>
    ${loose.map((/** @type {any} */ each) => html`<p key=${each.field} class="problem">${each.message}</p>`)}
  </section>`;
}

/** The prices that an indicator reads; more than one is searched. @param {any} props */
function Columns({ name, all, taken, change }) {
  const toggle = (/** @type {string} */ column) => {
    const next = all.filter((/** @type {string} */ one) => (one === column) !== taken.includes(one));
    if (next.length) change(next);
  };
  return html`<div class="axis"><div class="name">${name}<small>of the candles</small></div>
    <span class="quiet">${taken.length > 1 ? `${taken.length} searched` : "fixed"}</span>
    <div class="chips" role="group" aria-label=${name}>${all.map((/** @type {string} */ column) => html`<label key=${column}>
      <input type="checkbox" checked=${taken.includes(column)} onChange=${() => toggle(column)} />${column}</label>`)}</div></div>`;
}

/** @param {any} props */
function Signals({ draft, change }) {
  return html`<section class="card"><h2>Signals</h2>
    <p class="quiet">This search is written with conditions, which this form shows and does not change: market, range, stops and limits can be.</p>
    <div class="scroll"><pre class="small">${JSON.stringify(draft.signals, null, 1)}</pre></div>
    <div class="buttons"><button type="button" onClick=${() => change({ signals: null })}>Use indicators instead</button></div></section>`;
}

const LEVEL_FILLS = [["close", "on closes"], ["intrabar stop_first", "in every minute, a tie is a loss"], ["intrabar target_first", "in every minute, a tie is a profit"]];

/** @param {any} props */
function Rules({ draft, change, problems }) {
  const field = (/** @type {string} */ name) => (/** @type {any} */ event) => change({ [name]: event.target.value });
  const given = LEVELS.filter(({ name }) => draft.levels[name]);
  const others = LEVELS.filter(({ name }) => !draft.levels[name]);
  const remove = (/** @type {string} */ name) => change({ levels: Object.fromEntries(Object.entries(draft.levels).filter(([key]) => key !== name)) });
  const loose = problems.filter((/** @type {any} */ one) => !/^(indicators|risk(?!\.atr_window)|time_range|timeframe|instrument|allow_gaps|holdout)/.test(one.field));
  return html`<section class="card" aria-label="Stops and rules">
    <h2>Stops and rules</h2>
    <div>${given.map((level) => html`<${AxisField} key=${level.name} title=${level.title} bounds=${level} axis=${draft.levels[level.name]}
      problem=${problems.find((/** @type {any} */ one) => one.field.startsWith(`risk.${level.name}`))?.message}
      change=${(/** @type {any} */ axis) => change({ levels: { ...draft.levels, [level.name]: axis } })} remove=${() => remove(level.name)} />`)}</div>
    <div class="buttons">${others.map(({ name, title }) => html`<button key=${name} type="button"
      onClick=${() => change({ levels: { ...draft.levels, [name]: levelAxis(name) } })}>Add ${title.toLowerCase().replace(" %", "").replace("atr", "ATR")}</button>`)}</div>
    <div class="fields">
      <label class="field">Positions<select value=${draft.direction} onChange=${field("direction")}>
        ${[["long-short", "long and short"], ["long-only", "long only"], ["short-only", "short only"]].map(([value, name]) => html`<option key=${value} value=${value} selected=${value === draft.direction}>${name}</option>`)}</select></label>
      <label class="field">They end<select value=${draft.exit_on} onChange=${field("exit_on")}>
        ${[["opposite", "on the opposite signal"], ["neutral", "when the signal ends"]].map(([value, name]) => html`<option key=${value} value=${value} selected=${value === draft.exit_on}>${name}</option>`)}</select></label>
      <label class="field">Signals fill<select value=${draft.entries_fill} onChange=${field("entries_fill")}>
        ${[["close", "at the close that gives them"], ["next_open", "at the next open"]].map(([value, name]) => html`<option key=${value} value=${value} selected=${value === draft.entries_fill}>${name}</option>`)}</select></label>
      ${readsRanges(draft) && html`<label class="field">ATR over bars<input class="number" inputmode="numeric" value=${draft.atr_window} onInput=${field("atr_window")} /></label>`}
      ${given.length > 0 && html`<label class="field">Levels are looked at<select value=${draft.levels_fill} onChange=${field("levels_fill")}>
        ${LEVEL_FILLS.map(([value, name]) => html`<option key=${value} value=${value} selected=${value === draft.levels_fill}>${name}</option>`)}</select></label>`}
      <label class="field">Ranked by<select value=${draft.rank_by} onChange=${field("rank_by")}>
        ${[["", "total return"], ["sharpe_ratio", "Sharpe ratio"], ["sortino_ratio", "Sortino ratio"], ["calmar_ratio", "Calmar ratio"], ["profit_factor", "profit factor"], ["return_over_drawdown", "return over drawdown"]].map(([value, name]) => html`<option key=${value} value=${value} selected=${value === draft.rank_by}>${name}</option>`)}</select></label>
      <label class="field">Initial cash<input class="number" inputmode="decimal" placeholder="default" value=${draft.cash} onInput=${field("cash")} /></label>
      <label class="field">At least trades<input class="number" inputmode="numeric" placeholder="any" value=${draft.min_trades} onInput=${field("min_trades")} /></label>
      <label class="field">Drawdown at most %<input class="number" inputmode="decimal" placeholder="any" value=${draft.max_drawdown} onInput=${field("max_drawdown")} /></label>
    </div>
    ${Object.keys(draft.kept).length > 0 && html`<p class="quiet">Kept from the search or strategy that filled this form: <code>${JSON.stringify(draft.kept)}</code>
      <button type="button" class="small" onClick=${() => change({ kept: {} })}>Use the defaults</button></p>`}
    ${loose.map((/** @type {any} */ one) => html`<p key=${one.field} class="problem">${one.message}</p>`)}
  </section>`;
}
