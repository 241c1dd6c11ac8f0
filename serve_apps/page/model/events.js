// What the user's runs say, as it comes: one stream for all tabs of a browser, which has six connections in all.
// The tab that holds the lock listens and tells the others; when it closes, another one takes over.

const AGAIN_MS = 5_000;

/** @typedef {{kind: "strategy_event" | "standings", data: any}} Told */

/** Listen until the returned function is called. @param {(told: Told) => void} hear */
export function listen(hear) {
  const channel = new BroadcastChannel("candleray-events");
  const leave = new AbortController();
  channel.onmessage = ({ data }) => hear(data);
  // Without locks (plain http by another name than localhost) each tab listens by itself.
  if (!navigator.locks) lead(hear, channel, leave.signal);
  else navigator.locks.request("candleray-events", { signal: leave.signal }, () => lead(hear, channel, leave.signal)).catch(() => {});
  return () => {
    leave.abort();
    channel.close();
  };
}

/** @param {(told: Told) => void} hear @param {BroadcastChannel} channel @param {AbortSignal} left */
function lead(hear, channel, left) {
  return new Promise((resolve) => {
    let number = "";
    let timer = 0;
    let stream = /** @type {EventSource | null} */ (null);
    const open = () => {
      // After an answer that is no stream (an API that is just restarting) a browser does not ask again by itself.
      stream = new EventSource(`/events${number && `?after=${number}`}`);
      stream.onerror = () => { if (stream?.readyState === EventSource.CLOSED) timer = setTimeout(open, AGAIN_MS); };
      for (const kind of /** @type {const} */ (["strategy_event", "standings"])) {
        stream.addEventListener(kind, (/** @type {MessageEvent} */ event) => {
          number = event.lastEventId || number;
          const told = { kind, data: JSON.parse(event.data) };
          hear(told);
          channel.postMessage(told);
        });
      }
    };
    open();
    left.addEventListener("abort", () => { clearTimeout(timer); stream?.close(); resolve(undefined); });
  });
}
