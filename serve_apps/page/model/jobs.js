// A job as it is now, looked at again until it is over; a look holds no connection, however many tabs are open.
import { useEffect, useState } from "../vendor/preact.js";
import { get } from "../api.js";

const LOOK_MS = 400;
const UNSEEN_MS = 5_000;
const OVER = ["succeeded", "failed", "cancelled"];

/** @param {string} id @returns {{job?: any, error?: any}} */
export function useJob(id) {
  const [state, setState] = useState(/** @type {{job?: any, error?: any}} */ ({}));
  useEffect(() => {
    let wanted = true;
    let timer = 0;
    const look = async () => {
      try {
        const job = await get(`/backtests/jobs/${id}`);
        if (!wanted) return;
        setState({ job });
        if (OVER.includes(job.state)) return;
      } catch (error) {
        // What is gone does not come back; an API that is away does.
        if (wanted) setState((before) => (before.job ? before : { error }));
        if (!wanted || /** @type {any} */ (error).status === 404) return;
      }
      timer = setTimeout(look, document.hidden ? UNSEEN_MS : LOOK_MS);
    };
    look();
    return () => { wanted = false; clearTimeout(timer); };
  }, [id]);
  return state;
}
