// Everything the page asks of the API: one way to call, one kind of refusal, whose session it is.
import { signal } from "./vendor/preact.js";

/**
 * @typedef {{user_id: string, telegram_user_id: number, role: "user" | "operator", scopes: string[]}} Me
 * @typedef {{user: Me | null, second_factor: boolean | null}} Session
 * @typedef {{field: string, code: string, message: string}} Problem
 */

/** The browser's session; null until it is known. */
export const session = signal(/** @type {Session | null} */ (null));

/** Whether the API answered the last time that it was asked. */
export const reachable = signal(true);

/** What the API says of a request that it does not answer. */
export class Refusal extends Error {
  /** @param {number} status @param {{code: string, message: string, problems: Problem[]}} error @param {string} requestId */
  constructor(status, error, requestId) {
    super(error.message);
    this.status = status;
    this.code = error.code;
    this.problems = error.problems ?? [];
    this.requestId = requestId;
  }
}

const UNREACHABLE = { code: "unreachable", message: "The API does not answer. Nothing is lost: try again.", problems: [] };

/**
 * Ask the API; the answer is JSON, or bytes where `accept` asks for something else.
 * @param {string} method @param {string} path
 * @param {{body?: unknown, query?: Record<string, unknown>, accept?: string, abort?: AbortSignal}} [asked]
 * @returns {Promise<any>}
 */
export async function call(method, path, { body, query, accept, abort } = {}) {
  const headers = /** @type {Record<string, string>} */ ({ Accept: accept ?? "application/json" });
  if (body !== undefined) headers["Content-Type"] = "application/json";
  if (method !== "GET") headers["X-CSRF-Token"] = csrfToken();
  let answer;
  try {
    answer = await fetch(path + queryText(query), {
      method, headers, signal: abort, body: body === undefined ? undefined : JSON.stringify(body),
    });
  } catch (error) {
    if (abort?.aborted) throw error;
    reachable.value = false;
    throw new Refusal(0, UNREACHABLE, "");
  }
  reachable.value = true;
  if (!answer.ok) throw await refusalOf(answer);
  if (answer.status === 204) return null;
  return accept ? new Uint8Array(await answer.arrayBuffer()) : answer.json();
}

/** What must go with every change: a page elsewhere cannot read it. */
function csrfToken() {
  return /(?:^|; )candleray_csrf=([0-9a-f]+)/.exec(document.cookie)?.[1] ?? "";
}

/** @param {Response} answer */
async function refusalOf(answer) {
  // A session that has ended shows the way in again; what was typed stays in the address.
  if (answer.status === 401 && session.value?.user) await readSession();
  const id = answer.headers.get("X-Request-ID") ?? "";
  try {
    return new Refusal(answer.status, (await answer.json()).error, id);
  } catch {
    const message = `The server answered ${answer.status} without saying why.`;
    return new Refusal(answer.status, { code: "unknown", message, problems: [] }, id);
  }
}

/** @param {Record<string, unknown>} [query] */
function queryText(query) {
  const pairs = Object.entries(query ?? {}).flatMap(([name, value]) =>
    (Array.isArray(value) ? value : [value])
      .filter((one) => one !== undefined && one !== null && one !== "")
      .map((one) => [name, String(one)]));
  return pairs.length ? `?${new URLSearchParams(pairs)}` : "";
}

export const get = (/** @type {string} */ path, /** @type {Record<string, unknown>} */ query = {}) =>
  call("GET", path, { query });
export const post = (/** @type {string} */ path, /** @type {unknown} */ body = {}) => call("POST", path, { body });

export const ARROW = "application/vnd.apache.arrow.stream";

/** Ask again whose session this is. */
export async function readSession() {
  session.value = await call("GET", "/session");
}

/** @param {unknown} login the fields that Telegram, or the instance's own command, has signed */
export async function logIn(login) {
  await call("POST", "/login/telegram/widget", { query: { session: "cookie" }, body: login });
  await readSession();
}

export async function logOut() {
  await post("/logout");
  await readSession();
}
