// Which bars a chart loads for what is in sight, and which of the trades it draws.

const MINUTE_MS = 60_000;
export const MINUTES = /** @type {Record<string, number>} */ ({ "1m": 1, "5m": 5, "15m": 15, "1h": 60, "4h": 240, "1d": 1440 });
const MOST_IN_SIGHT = 1_200;

/** The finest timeframe with few enough bars in sight; none is finer than the strategy's own. @param {number} fromMs @param {number} toMs @param {string} [finest] */
export function timeframeFor(fromMs, toMs, finest = "1m") {
  const minutes = (toMs - fromMs) / MINUTE_MS;
  return Object.keys(MINUTES).find((name) => MINUTES[name] >= MINUTES[finest] && minutes / MINUTES[name] <= MOST_IN_SIGHT) ?? "1d";
}

/** What to load for a view: half a view more on both sides, whole bars, within what there is.
 * @param {number} fromMs @param {number} toMs @param {string} timeframe @param {{start: number, end: number}} limits */
export function spanToLoad(fromMs, toMs, timeframe, limits) {
  const bar = MINUTES[timeframe] * MINUTE_MS;
  const half = (toMs - fromMs) / 2;
  return {
    start: Math.floor(Math.max(limits.start, fromMs - half) / bar) * bar,
    end: Math.ceil(Math.min(limits.end, toMs + half) / bar) * bar,
  };
}

/** The place of a moment among bars, with its fraction; beyond the ends too. @param {number} ms @param {ArrayLike<number>} opens ascending @param {number} barMs */
export function placeOf(ms, opens, barMs) {
  const last = opens.length - 1;
  if (last < 0) return 0;
  if (ms <= opens[0]) return (ms - opens[0]) / barMs;
  if (ms >= opens[last]) return last + (ms - opens[last]) / barMs;
  let [low, high] = [0, last];
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if (opens[middle] <= ms) low = middle;
    else high = middle - 1;
  }
  const length = opens[low + 1] - opens[low];
  return low + (ms - opens[low]) / length;
}

/** The moment at a place among bars: the other way round. @param {number} place @param {ArrayLike<number>} opens @param {number} barMs */
export function momentAt(place, opens, barMs) {
  const last = opens.length - 1;
  if (last < 0) return 0;
  if (place <= 0) return opens[0] + place * barMs;
  if (place >= last) return opens[last] + (place - last) * barMs;
  const low = Math.floor(place);
  return opens[low] + (place - low) * (opens[low + 1] - opens[low]);
}

/** The trades that touch a span, as a range of their places: trades do not overlap. @param {ArrayLike<number>} entries @param {ArrayLike<number>} exits @param {number} fromMs @param {number} toMs */
export function tradesIn(entries, exits, fromMs, toMs) {
  return [firstAtLeast(exits, fromMs), firstAtLeast(entries, toMs)];
}

/** @param {ArrayLike<number>} sorted @param {number} value */
function firstAtLeast(sorted, value) {
  let [low, high] = [0, sorted.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (sorted[middle] < value) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** Net profit of the trades that end in each bar. @param {ArrayLike<number>} opens @param {ArrayLike<number>} exits @param {ArrayLike<number>} profits */
export function profitByBar(opens, exits, profits) {
  const sums = new Float64Array(opens.length);
  let bar = 0;
  for (let at = 0; at < exits.length; at++) {
    // A trade's time is that of its bar's close: the opening of the next one.
    while (bar + 1 < opens.length && opens[bar + 1] < exits[at]) bar += 1;
    if (opens.length && exits[at] > opens[0]) sums[bar] += profits[at];
  }
  return sums;
}
