// Account: the second factor, keys of exchanges, tokens for programs, sessions.
import { h, html, useState } from "../vendor/preact.js";
import { call, get, logOut, post, session } from "../api.js";
import { ago, day, time } from "../model/formats.js";
import { Answered, Command, Fault, useAnswer } from "../parts/states.js";
import { deleteSoon, say, sayFault } from "../parts/toast.js";

export function Screen() {
  const user = session.value?.user;
  return html`<div class="head"><h1>Account</h1><span class="end"><button type="button" onClick=${() => logOut().catch(sayFault)}>Sign out</button></span></div>
    <p class="quiet">Telegram ${user?.telegram_user_id} · ${user?.role}</p>
    <${SecondFactor} /><${Tokens} /><${Keys} /><${Sessions} />`;
}

/** A form that sends and says what came of it. @param {{send: (fields: Record<string, string>) => Promise<unknown>, button: string, children: any}} props */
function Form({ send, button, children }) {
  const [state, setState] = useState(/** @type {{busy?: boolean, error?: any}} */ ({}));
  const submit = async (/** @type {any} */ event) => {
    event.preventDefault();
    const form = event.currentTarget;
    setState({ busy: true });
    try {
      await send(Object.fromEntries(new FormData(form)));
      form.reset();
      setState({});
    } catch (error) {
      setState({ error });
    }
  };
  return html`<form onSubmit=${submit}><div class="fields">${children}<button disabled=${state.busy}>${button}</button></div>
    ${state.error && h(Fault, { error: state.error })}</form>`;
}

const code = html`<label class="field">Code<input name="code" inputmode="numeric" autocomplete="one-time-code" required size="8" /></label>`;

function SecondFactor() {
  const state = useAnswer(() => get("/second-factor"));
  const [setup, setSetup] = useState(/** @type {any} */ (null));
  const [codes, setCodes] = useState(/** @type {string[]} */ ([]));
  const begin = async () => {
    try {
      setSetup(await post("/second-factor"));
    } catch (error) {
      sayFault(error);
    }
  };
  const confirm = async (/** @type {any} */ fields) => {
    setCodes((await post("/second-factor/confirm", { code: fields.code })).recovery_codes);
    setSetup(null);
    state.again();
  };
  return html`<section class="card" aria-label="Second factor"><h2>Second factor</h2><${Answered} of=${state}>${(/** @type {any} */ { enabled, recovery_codes_left }) => html`
    <p><span class=${`state ${enabled ? "good" : "late"}`}>${enabled ? `on, ${recovery_codes_left} recovery codes left` : "off"}</span></p>
    ${enabled && html`<p class="quiet">A code within the last minutes is needed for keys of exchanges.</p>
      <${Form} button="Verify" send=${async (/** @type {any} */ fields) => say(`Verified until ${time((await post("/second-factor/verify", { code: fields.code })).fresh_until)} UTC.`)}>${code}<//>
      <details><summary>Turn it off</summary><${Form} button="Turn off" send=${async (/** @type {any} */ fields) => { await post("/second-factor/disable", { code: fields.code }); state.again(); }}>${code}<//></details>`}
    ${!enabled && !setup && html`<div class="buttons"><button type="button" onClick=${begin}>Set up</button></div>`}
    ${setup && html`<p>Scan this with an authenticator app, or type the secret <code>${setup.secret}</code>, then enter its code.</p>
      <img class="qr" alt="QR code of the secret" src=${`data:image/svg+xml;base64,${btoa(setup.qr_svg)}`} />
      <${Form} button="Confirm" send=${confirm}>${code}<//>`}
    ${codes.length > 0 && html`<p class="note">Keep these recovery codes: each is good once, and they are shown this once.</p><${Command} text=${codes.join(" ")} />`}`}<//></section>`;
}

const SCOPES = /** @type {[string, string][]} */ ([["read", "see and compute"], ["trade", "change strategies, runs, searches"], ["account", "sessions, tokens, keys"]]);

function Tokens() {
  const tokens = useAnswer(() => get("/tokens"));
  const [made, setMade] = useState("");
  const make = async (/** @type {any} */ fields) => {
    const scopes = SCOPES.map(([name]) => name).filter((name) => fields[name]);
    setMade((await post("/tokens", { name: fields.name, days: Number(fields.days), ...(scopes.length && { scopes }) })).token);
    tokens.again();
  };
  return html`<section class="card" aria-label="Tokens for programs"><h2>Tokens for programs</h2>
    <${Form} button="Make a token" send=${make}>
      <label class="field">Name<input name="name" required maxlength="64" placeholder="notebook" /></label>
      <label class="field">Days<input class="number" name="days" type="number" min="1" max="366" value="90" /></label>
      <div class="chips" role="group" aria-label="It may">${SCOPES.map(([name, what]) => html`<label key=${name}><input type="checkbox" name=${name} defaultChecked=${name === "read"} />${name}: ${what}</label>`)}</div><//>
    ${made && html`<p class="note">It is shown this once:</p><${Command} text=${made} />`}
    <${Listed} of=${tokens} label="Tokens" path="/tokens" idOf=${(/** @type {any} */ one) => one.token_id} what=${(/** @type {any} */ one) => one.name}
      columns=${[["Name", (/** @type {any} */ one) => one.name], ["It may", (/** @type {any} */ one) => one.scopes.join(", ")], ["Until", (/** @type {any} */ one) => day(one.expires_at)], ["Last used", (/** @type {any} */ one) => ago(one.last_used_at)]]} /></section>`;
}

function Keys() {
  const keys = useAnswer(() => get("/exchange-keys"));
  const add = async (/** @type {any} */ fields) => {
    await post("/exchange-keys", fields);
    keys.again();
  };
  return html`<section class="card" aria-label="Keys of exchanges"><h2>Keys of exchanges</h2>
    <p class="quiet">Sealed as they are stored; nothing trades with them yet. Adding one needs a fresh code of the second factor.</p>
    <${Form} button="Add" send=${add}>
      <label class="field">Exchange<select name="exchange"><option>binance</option><option>bybit</option></select></label>
      <label class="field">Label<input name="label" required maxlength="64" /></label>
      <label class="field">API key<input name="api_key" required autocomplete="off" /></label>
      <label class="field">Secret<input name="api_secret" type="password" required autocomplete="off" /></label><//>
    <${Listed} of=${keys} label="Keys" path="/exchange-keys" idOf=${(/** @type {any} */ one) => one.key_id} what=${(/** @type {any} */ one) => one.label}
      columns=${[["Exchange", (/** @type {any} */ one) => one.exchange], ["Label", (/** @type {any} */ one) => one.label], ["Key", (/** @type {any} */ one) => `… ${one.last_four}`], ["Added", (/** @type {any} */ one) => day(one.created_at)]]} /></section>`;
}

function Sessions() {
  const sessions = useAnswer(() => get("/sessions"));
  return html`<section class="card" aria-label="Sessions"><h2>Sessions</h2>
    <${Listed} of=${sessions} label="Open sessions" path="/sessions" idOf=${(/** @type {any} */ one) => one.token_id} what=${() => "session"} keep=${(/** @type {any} */ one) => one.current && "this one"}
      columns=${[["Of", (/** @type {any} */ one) => one.name], ["Begun", (/** @type {any} */ one) => time(one.created_at)], ["Last used", (/** @type {any} */ one) => ago(one.last_used_at)], ["Ends", (/** @type {any} */ one) => day(one.ends_at)]]} /></section>`;
}

/** A list whose entries can be deleted, and taken back for a while. @param {any} props */
function Listed({ of, label, path, idOf, what, keep, columns }) {
  const [gone, setGone] = useState(/** @type {string[]} */ ([]));
  const remove = (/** @type {any} */ one) => {
    const id = idOf(one);
    setGone((before) => [...before, id]);
    deleteSoon(`${what(one)} is deleted.`, () => call("DELETE", `${path}/${id}`), () => setGone((before) => before.filter((each) => each !== id)));
  };
  return html`<${Answered} of=${of}>${(/** @type {any[]} */ all) => {
    const shown = all.filter((one) => !gone.includes(idOf(one)));
    if (!shown.length) return html`<p class="quiet">None.</p>`;
    return html`<div class="scroll" tabindex="0" role="region" aria-label=${label}><table><thead><tr>${columns.map(([title]) => html`<th key=${title} scope="col">${title}</th>`)}<th scope="col"><span class="visually-hidden">Actions</span></th></tr></thead>
      <tbody>${shown.map((one) => html`<tr key=${idOf(one)}>${columns.map(([title, show]) => html`<td key=${title}>${show(one)}</td>`)}
        <td class="number">${keep?.(one) || html`<button type="button" class="quiet small" onClick=${() => remove(one)}>Delete</button>`}</td></tr>`)}</tbody></table></div>`;
  }}<//>`;
}
