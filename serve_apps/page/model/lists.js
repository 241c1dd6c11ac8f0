// Lists that do not change while the page is open, each asked for once.
import { get } from "../api.js";

/** @type {Map<string, Promise<any>>} */
const asked = new Map();

/** @param {string} path @returns {Promise<any>} */
function once(path) {
  if (!asked.has(path)) {
    const answer = get(path);
    asked.set(path, answer);
    answer.catch(() => asked.delete(path));
  }
  return /** @type {Promise<any>} */ (asked.get(path));
}

/** @returns {Promise<{market_id: number, name: string, exchange: string, fee_pct: number}[]>} */
export const markets = () => once("/market-data/markets");

/** The same for what is shown with an instrument: asked for together with it, since names that come later move what is clicked. */
export const marketsIfKnown = () => markets().catch(() => []);

/** @returns {Promise<Map<string, import("./requests.js").Indicator>>} */
export const catalogue = async () => new Map((await once("/indicators")).map((/** @type {any} */ one) => [one.id, one]));

/** What is stored, as it is now. @returns {Promise<{market_id: number, symbol: string, first: string, last: string, candles: number,
 *  missing_minutes: number, missing_runs: {start: string, end: string, minutes: number}[]}[]>} */
export const coverage = () => get("/market-data/coverage");
