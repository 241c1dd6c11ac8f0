// The shell: sign-in, the bar with the screens, and the screen that the address names.
import { h, html, render, useEffect, useState } from "./vendor/preact.js";
import { logIn, reachable, readSession, session } from "./api.js";
import { Fault, Loading } from "./parts/states.js";
import { SignIn } from "./parts/sign_in.js";
import { Toasts } from "./parts/toast.js";
import { addressOf, goInstead, place, unpacked } from "./routing.js";

/** @type {Record<string, {title: string, load: () => Promise<{Screen: any}>}>} */
const SCREENS = {
  data: { title: "Data", load: () => import("./screens/data.js") },
  build: { title: "Build", load: () => import("./screens/build.js") },
  searches: { title: "Searches", load: () => import("./screens/searches.js") },
  strategies: { title: "Strategies", load: () => import("./screens/strategies.js") },
  live: { title: "Live", load: () => import("./screens/live.js") },
  account: { title: "Account", load: () => import("./screens/account.js") },
  result: { title: "Result", load: () => import("./screens/result.js") },
};
const IN_THE_BAR = ["data", "build", "searches", "strategies", "live", "account"];
const LIT = /** @type {Record<string, string>} */ ({ result: "searches" });

function Bar() {
  const now = LIT[place.value.screen] ?? place.value.screen;
  return html`<header class="bar">
    <a class="skip" href="#main" onClick=${skip}>To the content</a>
    <a class="brand" href="#/">Candleray</a>
    <nav aria-label="Screens">
      ${IN_THE_BAR.map((name) => html`
        <a key=${name} href=${addressOf(name)} aria-current=${name === now ? "page" : undefined}>${SCREENS[name].title}</a>`)}
    </nav>
  </header>`;
}

/** @param {Event} event */
function skip(event) {
  event.preventDefault();
  document.getElementById("main")?.focus();
}

/** @param {{name: string}} props */
function Screen({ name }) {
  const [loaded, setLoaded] = useState(/** @type {{name: string, Screen?: any, error?: unknown} | null} */ (null));
  useEffect(() => {
    document.title = `${SCREENS[name].title} · Candleray`;
    // What was asked for before it may come later.
    let wanted = true;
    SCREENS[name].load().then(
      ({ Screen: made }) => wanted && setLoaded({ name, Screen: made }),
      (error) => wanted && setLoaded({ name, error }),
    );
    return () => { wanted = false; };
  }, [name]);
  if (loaded?.name !== name) return h(Loading, {});
  if (loaded.error) return h(Fault, { error: new Error("This page is of an older version: reload it.") });
  return h(loaded.Screen, { key: place.value.id, id: place.value.id });
}

function Page() {
  const known = session.value;
  if (!known) return null;
  if (!known.user) return html`<${SignIn} /><${Toasts} />`;
  const name = place.value.screen in SCREENS ? place.value.screen : "";
  return html`
    <${Bar} />
    ${!reachable.value && html`<p class="banner" role="status">The API does not answer. What is shown may be old.</p>`}
    <main id="main" tabindex="-1">${name ? h(Screen, { name }) : h(Home, {})}</main>
    <${Toasts} />`;
}

/** The first screen: what runs, where something does; else what has been searched; else the form. */
function Home() {
  useEffect(() => {
    import("./screens/home.js").then(({ firstScreen }) => firstScreen()).then(
      (screen) => goInstead(addressOf(screen)),
      () => goInstead(addressOf("build")),
    );
  }, []);
  return h(Loading, {});
}

/** Take a signed login out of the address, at once, and use it. */
async function logInByAddress() {
  const found = /^#(login|tgAuthResult)=([\w+/=-]+)$/.exec(location.hash);
  if (!found) return;
  history.replaceState(null, "", "#/");
  place.value = { screen: "", id: "", query: new URLSearchParams() };
  await logIn(unpacked(found[2]));
}

const root = /** @type {HTMLElement} */ (document.getElementById("page"));

async function start() {
  let failed;
  try {
    await logInByAddress();
  } catch (error) {
    failed = error;
  }
  try {
    await readSession();
  } catch (error) {
    render(html`<main class="alone"><h1>Candleray</h1><${Fault} error=${error} again=${start} /></main>`, root);
    return;
  }
  render(failed && !session.value?.user ? h(SignIn, { error: failed }) : h(Page, {}), root);
}

start();
