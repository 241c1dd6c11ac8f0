// The address: `#/screen/id?name=value`. What a person has typed is kept there, never in the browser's storage.
import { signal } from "./vendor/preact.js";

/** @typedef {{screen: string, id: string, query: URLSearchParams}} Place */

/** @returns {Place} */
function here() {
  const [path, query] = location.hash.replace(/^#\/?/, "").split("?", 2);
  const [screen = "", id = ""] = path.split("/").map(decodeURIComponent);
  return { screen, id, query: new URLSearchParams(query ?? "") };
}

export const place = signal(here());
addEventListener("hashchange", () => { place.value = here(); });

/** @param {string} screen @param {string} [id] @param {Record<string, string>} [query] */
export function addressOf(screen, id = "", query = {}) {
  const asked = new URLSearchParams(query).toString();
  return `#/${screen}${id && `/${encodeURIComponent(id)}`}${asked && `?${asked}`}`;
}

/** @param {string} address */
export function go(address) {
  location.hash = address;
}

/** Go there in place of here: the way back leads past it. @param {string} address */
export function goInstead(address) {
  location.replace(address);
}

/** Keep this address without a step to go back to; nothing where another screen has come meanwhile. @param {string} address */
export function keep(address) {
  if (location.hash === address || here().screen !== address.split(/[/?]/)[1]) return;
  history.replaceState(null, "", address);
  place.value = here();
}

/** Any value as text that an address takes. @param {unknown} value */
export function packed(value) {
  const bytes = new TextEncoder().encode(JSON.stringify(value));
  let text = "";
  for (const byte of bytes) text += String.fromCharCode(byte);
  return btoa(text).replaceAll("+", "-").replaceAll("/", "_").replace(/=+$/, "");
}

/** The value of such a text; null where it is none. @param {string} text @returns {any} */
export function unpacked(text) {
  try {
    const plain = atob(text.replaceAll("-", "+").replaceAll("_", "/"));
    return JSON.parse(new TextDecoder().decode(Uint8Array.from(plain, (one) => one.charCodeAt(0))));
  } catch {
    return null;
  }
}
