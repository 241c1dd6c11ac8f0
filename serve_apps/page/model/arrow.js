// Arrow streams as columns: numbers stay the arrays that came over the wire.
import { tableFromIPC } from "../vendor/flechette.js";
import { ARROW, call } from "../api.js";

/** @param {string} method @param {string} path @param {{body?: unknown, query?: Record<string, unknown>, abort?: AbortSignal}} [asked]
 * @returns {Promise<{length: number, column: (name: string) => any, names: string[]}>} */
export async function columns(method, path, asked = {}) {
  const table = tableFromIPC(await call(method, path, { ...asked, accept: ARROW }), { useBigInt: false, useDate: false });
  return {
    length: table.numRows,
    names: table.names,
    column: (name) => table.getChild(name)?.toArray() ?? [],
  };
}
