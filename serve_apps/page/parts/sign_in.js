// The way in: Telegram where it knows this instance's bot, else the one-time link of the command line.
import { html, useEffect, useState } from "../vendor/preact.js";
import { get } from "../api.js";
import { Command, Fault } from "./states.js";

/** @param {number} botId */
function telegramAddress(botId) {
  const asked = { bot_id: String(botId), origin: location.origin, return_to: `${location.origin}/` };
  return `https://oauth.telegram.org/auth?${new URLSearchParams(asked)}`;
}

/** @param {{error?: unknown}} props */
export function SignIn({ error }) {
  const [ways, setWays] = useState(/** @type {{bot_id: number | null} | null} */ (null));
  useEffect(() => {
    document.title = "Sign in · Candleray";
    get("/login/telegram").then(setWays, () => {});
  }, []);
  return html`<main class="alone">
    <h1>Candleray</h1>
    ${error && html`<${Fault} error=${error} />`}
    ${isSecureContext
      ? html`${ways?.bot_id && html`<p><a class="button main" href=${telegramAddress(ways.bot_id)}>Sign in with Telegram</a></p>`}
        <p>${ways?.bot_id ? "Or, on" : "On"} the machine that runs this instance, this prints a link that signs you in, once and within five minutes:</p>
        <${Command} text="candleray login --browser" />`
      : html`<${Fault} error=${"sign-in needs HTTPS here, because browsers keep no secure cookie otherwise: " +
          "open the page by https://, or on the machine itself by http://localhost."} />`}
  </main>`;
}
