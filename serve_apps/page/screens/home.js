// Which screen comes first: whether anything is broken is what a trader with runs looks at first.
import { get } from "../api.js";

/** @returns {Promise<string>} */
export async function firstScreen() {
  const [runs, jobs] = await Promise.all([get("/runs", { limit: 1 }), get("/backtests/jobs", { limit: 1 })]);
  if (runs.runs.length) return "live";
  return jobs.jobs.length ? "searches" : "build";
}
