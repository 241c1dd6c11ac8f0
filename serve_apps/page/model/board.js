// The order of the board: what needs a look first.

const LATE_S = 180;

/** @typedef {{run: any, standing: any, signal?: string, told?: string}} Row */

/** How a run is: `bad` needs somebody, `late` waits, `good` goes on. @param {any} run @param {any} standing @param {number} now */
export function healthOf(run, standing, now) {
  if (run.state === "failed" || run.parity === "broken") return "bad";
  if (run.state === "stopped" || run.state === "stopping") return "";
  if (standing?.waits_for) return "late";
  if (run.state === "running" && lagOf(run, standing, now) > LATE_S) return "late";
  return run.state === "running" ? "good" : "busy";
}

/** Seconds since the end of the bar that it took last, less the bar's own length; 0 while there is none.
 * @param {any} run @param {any} standing @param {number} now */
export function lagOf(run, standing, now) {
  if (standing?.lag_s === undefined || standing?.lag_s === null) return 0;
  return standing.lag_s + Math.max(0, (now - new Date(standing.as_of).getTime()) / 1000 - 15);
}

const ORDER = ["bad", "late", "busy", "good", ""];

/** @param {Row[]} rows @param {number} now */
export function worstFirst(rows, now) {
  const place = (/** @type {Row} */ row) => ORDER.indexOf(healthOf(row.run, row.standing, now));
  return [...rows].sort((one, other) => place(one) - place(other)
    || lagOf(other.run, other.standing, now) - lagOf(one.run, one.standing, now)
    || (one.run.created_at < other.run.created_at ? 1 : -1));
}
