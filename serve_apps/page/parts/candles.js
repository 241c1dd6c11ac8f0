// Trades on candles: as fine as fits what is in sight; lines from entry to exit, from afar the profit of each bar.
import { html, useEffect, useRef, useState } from "../vendor/preact.js";
import { CandlestickSeries, HistogramSeries } from "../vendor/lightweight-charts.js";
import { day, number } from "../model/formats.js";
import { columns } from "../model/arrow.js";
import { MINUTES, momentAt, placeOf, profitByBar, spanToLoad, timeframeFor, tradesIn } from "../model/levels.js";
import { colour, useChart } from "./chart.js";

const MOST_LINES = 300;
const SPANS = /** @type {[string, number][]} */ ([["All", 0], ["Month", 30], ["Week", 7], ["Day", 1]]);
const DAY_MS = 86_400_000;
const RESTS_MS = 150;

/** @typedef {{entry: number[], exit: number[], side: number[], entryFill: number[], exitFill: number[], pnl: number[], returns: number[]}} Trades */

/** @param {{instrument: {market_id: number, symbol: string}, timeframe: string, start: number, end: number, trades: Trades, focus?: {start: number, end: number, key: number}}} props */
export function Candles({ instrument, timeframe, start, end, trades, focus }) {
  const view = useRef(/** @type {any} */ (null));
  const [shown, setShown] = useState({ timeframe: "", isFar: false });
  const box = useChart((chart) => {
    view.current = new View(chart, { instrument, timeframe, start, end }, trades, setShown);
    view.current.show(start, end);
    return () => view.current.close();
  }, [trades]);
  useEffect(() => { if (focus) view.current?.show(focus.start, focus.end); }, [focus?.key]);
  const zoom = (/** @type {number} */ days) => (days ? view.current?.around(days * DAY_MS) : view.current?.show(start, end));
  return html`<div class="head"><h2>Trades on the market</h2>
      <div class="end" role="group" aria-label="In sight">${SPANS.map(([name, days]) => html`<button key=${name} type="button" class="small" onClick=${() => zoom(days)}>${name}</button>`)}</div></div>
    <div class="chart tall" ref=${box} role="img" aria-label=${`Candles of ${instrument.symbol} from ${day(start)} to ${day(end)} with ${number(trades.entry.length, 0)} trades; they are in the table below.`}></div>
    <p class="legend"><span>${shown.timeframe && `${shown.timeframe} candles`}</span>
      <span>${shown.isFar ? "Bars below: net profit of the trades that end there" : "Lines: from entry to exit, green with a profit; arrows point the trade's way"}</span>
      <span>Charts by <a href="https://www.tradingview.com/" rel="noreferrer">TradingView</a></span></p>`;
}

/** The part of the market in sight, loaded as it is needed. */
class View {
  /** @param {any} chart @param {any} market @param {Trades} trades @param {(shown: {timeframe: string, isFar: boolean}) => void} tell */
  constructor(chart, market, trades, tell) {
    this.chart = chart;
    this.market = market;
    this.trades = trades;
    this.tell = tell;
    this.opens = /** @type {ArrayLike<number>} */ ([]);
    this.timeframe = "";
    this.loaded = { start: 0, end: 0 };
    this.abort = new AbortController();
    this.timer = 0;
    const [up, down] = [colour("gain"), colour("loss")];
    this.colours = { up, down };
    this.series = chart.addSeries(CandlestickSeries, { upColor: up, downColor: down, borderVisible: false, wickUpColor: up, wickDownColor: down, priceLineVisible: false });
    this.series.priceScale().applyOptions({ scaleMargins: { top: 0.06, bottom: 0.22 } });
    this.profits = chart.addSeries(HistogramSeries, { priceScaleId: "profit", priceLineVisible: false, lastValueVisible: false });
    chart.priceScale("profit").applyOptions({ scaleMargins: { top: 0.82, bottom: 0 }, visible: false });
    this.lines = new TradeLines(this);
    this.series.attachPrimitive(this.lines);
    chart.timeScale().subscribeVisibleLogicalRangeChange(() => this.moved());
  }

  close() {
    clearTimeout(this.timer);
    this.abort.abort();
  }

  get barMs() { return MINUTES[this.timeframe] * 60_000; }

  /** What is in sight, by the logical range alone: the library's times stop at what is loaded. */
  inSight() {
    const range = this.chart.timeScale().getVisibleLogicalRange();
    if (!range || !this.opens.length) return null;
    return { start: momentAt(range.from, this.opens, this.barMs), end: momentAt(range.to, this.opens, this.barMs) };
  }

  /** @param {number} spanMs */
  around(spanMs) {
    const sight = this.inSight() ?? this.market;
    const last = this.trades.exit[this.trades.exit.length - 1] ?? this.market.end;
    const middle = sight.end - sight.start > 0.9 * (this.market.end - this.market.start) ? last : (sight.start + sight.end) / 2;
    const end = Math.min(this.market.end, Math.max(middle + spanMs / 2, this.market.start + spanMs));
    this.show(end - spanMs, end);
  }

  moved() {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => {
      const sight = this.inSight();
      if (!sight) return;
      const timeframe = timeframeFor(sight.start, sight.end);
      const within = sight.start >= this.loaded.start || this.loaded.start <= this.market.start;
      const whole = within && (sight.end <= this.loaded.end || this.loaded.end >= this.market.end);
      if (timeframe !== this.timeframe || !whole) this.load(sight.start, sight.end, timeframe);
    }, RESTS_MS);
  }

  /** @param {number} start @param {number} end */
  show(start, end) { this.load(start, end, timeframeFor(start, end)); }

  /** @param {number} start @param {number} end @param {string} timeframe */
  async load(start, end, timeframe) {
    this.abort.abort();
    this.abort = new AbortController();
    const { instrument } = this.market;
    const span = spanToLoad(start, end, timeframe, this.market);
    const query = { ...instrument, timeframe, start: new Date(span.start).toISOString(), end: new Date(span.end).toISOString(), limit: 3000 };
    let bars;
    try {
      bars = await columns("GET", "/market-data/candles", { query, abort: this.abort.signal });
    } catch {
      return;  // another one was asked for, or the API is away, which the banner says
    }
    const [opens, open, high, low, close] = ["ts_open_ms", "open", "high", "low", "close"].map(bars.column);
    this.opens = opens;
    this.timeframe = timeframe;
    this.loaded = span;
    this.series.setData(Array.from(opens, (ms, at) => ({ time: ms / 1000, open: open[at], high: high[at], low: low[at], close: close[at] })));
    this.drawProfits();
    this.chart.timeScale().setVisibleLogicalRange({ from: placeOf(start, opens, this.barMs), to: placeOf(end, opens, this.barMs) });
    this.tell({ timeframe, isFar: this.isFar(start, end) });
  }

  /** @param {number} start @param {number} end */
  isFar(start, end) {
    const [first, stop] = tradesIn(this.trades.entry, this.trades.exit, start, end);
    return stop - first > MOST_LINES;
  }

  drawProfits() {
    const [first, stop] = tradesIn(this.trades.entry, this.trades.exit, this.loaded.start, this.loaded.end);
    const sums = profitByBar(this.opens, this.trades.exit.slice(first, stop), this.trades.pnl.slice(first, stop));
    const { up, down } = this.colours;
    this.profits.setData(Array.from(this.opens, (ms, at) => sums[at] === 0 ? { time: ms / 1000 } : { time: ms / 1000, value: sums[at], color: sums[at] < 0 ? down : up }));
  }
}

/** The lines from entry to exit, as a primitive of the candles' series: only what is in sight is drawn. */
class TradeLines {
  /** @param {View} view */
  constructor(view) {
    this.view = view;
    this.panes = [{ zOrder: () => "top", renderer: () => ({ draw: (/** @type {any} */ target) => target.useMediaCoordinateSpace((/** @type {any} */ scope) => this.draw(scope.context)) }) }];
  }

  paneViews() { return this.panes; }

  /** @param {CanvasRenderingContext2D} canvas */
  draw(canvas) {
    const { view } = this;
    const sight = view.inSight();
    if (!sight) return;
    const { entry, exit, side, entryFill, exitFill, pnl } = view.trades;
    const [first, stop] = tradesIn(entry, exit, sight.start, sight.end);
    if (stop - first > MOST_LINES) return;
    const scale = view.chart.timeScale();
    // A trade is made at a bar's close, which is drawn in the middle of its bar.
    const x = (/** @type {number} */ ms) => {
      const place = placeOf(ms, view.opens, view.barMs) - 1;
      const whole = Math.floor(place);
      const left = scale.logicalToCoordinate(whole);
      return left === null ? null : left + (place - whole) * scale.options().barSpacing;
    };
    canvas.lineWidth = 2;
    for (let at = first; at < stop; at++) {
      const [x1, x2] = [x(entry[at]), x(exit[at])];
      const [y1, y2] = [view.series.priceToCoordinate(entryFill[at]), view.series.priceToCoordinate(exitFill[at])];
      if (x1 === null || x2 === null || y1 === null || y2 === null) continue;
      canvas.strokeStyle = canvas.fillStyle = pnl[at] >= 0 ? view.colours.up : view.colours.down;
      canvas.beginPath();
      canvas.moveTo(x1, y1);
      canvas.lineTo(x2, y2);
      canvas.stroke();
      const tip = side[at] > 0 ? -1 : 1;
      canvas.beginPath();
      canvas.moveTo(x1 - 5, y1 - tip * 8);
      canvas.lineTo(x1 + 5, y1 - tip * 8);
      canvas.lineTo(x1, y1);
      canvas.fill();
    }
  }
}
