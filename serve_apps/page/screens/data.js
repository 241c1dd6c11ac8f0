// Data: what is stored of each instrument, with its holes, and how far live candles are behind.
import { h, html, useEffect, useRef, useState } from "../vendor/preact.js";
import { get } from "../api.js";
import { count, day, duration, time } from "../model/formats.js";
import { coverage, markets } from "../model/lists.js";
import { Answered, Command, Empty, useAnswer } from "../parts/states.js";

export function Screen() {
  const [typed, setTyped] = useState("");
  const known = useAnswer(async () => {
    const [stored, every, feeds] = await Promise.all([coverage(), markets(), get("/market-data/feeds")]);
    return { stored, every, feeds };
  });
  return html`<div class="head"><h1>Data</h1><span class="end"><input type="search" aria-label="Filter by symbol" placeholder="Filter by symbol" value=${typed}
      onInput=${(/** @type {any} */ event) => setTyped(event.target.value.toUpperCase())} /></span></div>
    <${Answered} of=${known}>${(/** @type {any} */ { stored, every, feeds }) => html`
      ${stored.length ? h(Stored, { stored: stored.filter((/** @type {any} */ one) => one.symbol.includes(typed)), every }) : h(NoCandles, {})}
      <${Feeds} feeds=${feeds} /><${More} />`}<//>`;
}

function NoCandles() {
  return h(Empty, {
    title: "No candles are stored", children: html`<p>From an exchange, or from files of your own:</p>
      <${Command} text="candleray backfill --market binance-spot --symbol BTCUSDT --start 2025-01-01" />
      <${Command} text="candleray import --market binance-spot --symbol BTCUSDT candles.parquet" />`,
  });
}

/** @param {any} props */
function Stored({ stored, every }) {
  const [first, last] = [Math.min(...stored.map((/** @type {any} */ one) => Date.parse(one.first))), Math.max(...stored.map((/** @type {any} */ one) => Date.parse(one.last)))];
  const name = (/** @type {number} */ id) => every.find((/** @type {any} */ one) => one.market_id === id)?.name ?? id;
  if (!stored.length) return html`<p>Nothing is stored under that symbol.</p>`;
  return html`<div class="rows" tabindex="0" role="region" aria-label="Stored candles"><table>
    <thead><tr><th scope="col">Symbol</th><th scope="col">Market</th><th scope="col">From</th><th scope="col">To</th><th scope="col" class="number">Candles</th><th scope="col" class="number">Missing</th><th scope="col">${day(first)} to ${day(last)}</th></tr></thead>
    <tbody>${stored.map((/** @type {any} */ one) => html`<tr key=${`${one.market_id} ${one.symbol}`}>
      <td><b>${one.symbol}</b></td><td>${name(one.market_id)}</td><td>${time(one.first)}</td><td>${time(one.last)}</td><td class="number">${count(one.candles)}</td>
      <td class=${`number ${one.missing_minutes ? "warn" : ""}`}>${count(one.missing_minutes)}</td><td><${Strip} one=${one} first=${first} last=${last} /></td></tr>`)}</tbody></table></div>
    <p class="quiet small">Minutes, UTC. A strip is blue where candles are stored and red where some are missing.</p>`;
}

/** Where candles are and where they are missing. @param {any} props */
function Strip({ one, first, last }) {
  const box = useRef(/** @type {HTMLCanvasElement | null} */ (null));
  useEffect(() => {
    const canvas = box.current;
    if (!canvas) return undefined;
    const draw = () => {
      const width = (canvas.width = Math.max(1, Math.round(canvas.clientWidth * devicePixelRatio)));
      const height = (canvas.height = Math.round(14 * devicePixelRatio));
      const context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
      const style = getComputedStyle(canvas);
      const x = (/** @type {string} */ moment) => ((Date.parse(moment) - first) / Math.max(1, last - first)) * width;
      context.fillStyle = style.borderTopColor;
      context.fillRect(x(one.first), 0, Math.max(2, x(one.last) - x(one.first)), height);
      context.fillStyle = style.borderBottomColor;
      // A hole of a minute is wider than it is, or nobody would see it.
      for (const run of one.missing_runs) context.fillRect(x(run.start), 0, Math.max(2, x(run.end) - x(run.start)), height);
    };
    draw();
    const watch = new ResizeObserver(draw);
    watch.observe(canvas);
    return () => watch.disconnect();
  }, [one, first, last]);
  const holes = one.missing_runs.length;
  return html`<canvas class="strip" ref=${box} role="img" aria-label=${holes ? `${holes} holes, the longest of ${count(Math.max(...one.missing_runs.map((/** @type {any} */ run) => run.minutes)))} minutes` : "without a hole"}></canvas>`;
}

/** @param {any} props */
function Feeds({ feeds }) {
  if (!feeds.length) return null;
  return html`<section class="card"><h2>Live candles</h2><div class="scroll" tabindex="0" role="region" aria-label="Live candles"><table>
    <thead><tr><th scope="col">Market</th><th scope="col">State</th><th scope="col" class="number">Instruments</th><th scope="col">Last candle</th><th scope="col" class="number">Half are there after</th><th scope="col" class="number">Holes</th></tr></thead>
    <tbody>${feeds.map((/** @type {any} */ feed) => html`<tr key=${feed.market}><td><b>${feed.market}</b></td>
      <td><span class=${`state ${feed.reason ? "late" : feed.mode === "idle" ? "" : "good"}`}>${feed.mode}</span>${feed.reason && html`<br /><small class="warn">${feed.reason}</small>`}</td>
      <td class="number">${count(feed.subscribed)}</td><td>${feed.last_candle ? time(feed.last_candle) : "–"}</td>
      <td class="number">${feed.lag_p50_ms === null || feed.lag_p50_ms === undefined ? "–" : feed.lag_p50_ms < 1000 ? `${Math.round(feed.lag_p50_ms)} ms` : duration(feed.lag_p50_ms / 1000)}</td><td class="number">${count(feed.holes)}</td></tr>`)}</tbody></table></div></section>`;
}

function More() {
  return html`<details class="card"><summary>Fetch more candles</summary><p class="quiet">On the command line:</p>
    <${Command} text="candleray backfill --market binance-spot --symbol BTCUSDT --start 2025-01-01" />
    <${Command} text="candleray import --market binance-spot --symbol BTCUSDT candles.parquet" /></details>`;
}
