// Equity beside buy and hold, and the drawdown beneath it: two panes of one chart.
import { html } from "../vendor/preact.js";
import { AreaSeries, LineSeries } from "../vendor/lightweight-charts.js";
import { day, number } from "../model/formats.js";
import { colour, useChart } from "./chart.js";

/** @param {{curve: {ts: number[], low: number[], high: number[], last: number[], drawdown: number[], close: number[]}, cash: number}} props */
export function Equity({ curve, cash }) {
  const box = useChart((chart) => draw(chart, curve, cash), [curve]);
  return html`<div class="chart" ref=${box} role="img" aria-label=${sentenceOf(curve)}></div>`;
}

/** @param {any} chart @param {any} curve @param {number} cash */
function draw(chart, curve, cash) {
  const held = chart.addSeries(LineSeries, { color: colour("field"), lineWidth: 1, priceLineVisible: false, lastValueVisible: false, crosshairMarkerVisible: false });
  const equity = chart.addSeries(LineSeries, { color: colour("accent"), lineWidth: 2, priceLineVisible: false });
  const fall = colour("loss");
  const drawdown = chart.addSeries(AreaSeries, {
    lineColor: fall, topColor: "rgba(0, 0, 0, 0)", bottomColor: fall.replace("rgb(", "rgba(").replace(")", ", 0.28)"), lineWidth: 1, invertFilledArea: true, priceLineVisible: false,
    priceFormat: { type: "custom", minMove: 0.01, formatter: (/** @type {number} */ value) => `${number(value)} %` },
  }, 1);
  const times = Array.from(curve.ts, (ms) => Number(ms) / 1000);
  equity.setData(points(times, curve));
  held.setData(times.map((/** @type {number} */ time, /** @type {number} */ at) => ({ time, value: (cash * curve.close[at]) / curve.close[0] })));
  drawdown.setData(times.map((/** @type {number} */ time, /** @type {number} */ at) => ({ time, value: curve.drawdown[at] })));
  chart.panes()[0].setStretchFactor(3);
  chart.panes()[1].setStretchFactor(1);
  chart.timeScale().fitContent();
}

/** Of each bucket the extreme that lies farther from where the one before ended: no peak vanishes. @param {number[]} times @param {any} curve */
function points(times, curve) {
  let before = curve.last[0];
  return times.map((time, at) => {
    const [low, high, last] = [curve.low[at], curve.high[at], curve.last[at]];
    const value = at === times.length - 1 ? last : before - low > high - before ? low : high;
    before = last;
    return { time, value };
  });
}

/** @param {{ts: number[], last: number[], drawdown: number[]}} curve */
function sentenceOf({ ts, last, drawdown }) {
  if (!ts.length) return "No equity: there is no bar.";
  const worst = drawdown.reduce((/** @type {number} */ least, value, at) => (value < drawdown[least] ? at : least), 0);
  return `Equity from ${number(last[0])} on ${day(ts[0])} to ${number(last[last.length - 1])} on ${day(ts[ts.length - 1])}; the worst fall from a peak, ` +
    `${number(drawdown[worst])} %, is reached on ${day(ts[worst])}.`;
}
