// To come.
import { html } from "../vendor/preact.js";

export function Screen() {
  return html`<h1>Not built yet: the command line has all of it</h1>`;
}
