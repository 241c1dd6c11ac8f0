// What both charts share: the library's chart in our colours, for as long as its box is there.
import { useEffect, useRef } from "../vendor/preact.js";
import { ColorType, createChart } from "../vendor/lightweight-charts.js";

const dark = matchMedia("(prefers-color-scheme: dark)");

/** A colour of the sheet as the canvas takes it. @param {string} name */
export function colour(name) {
  const probe = document.createElement("span");
  probe.style.color = `var(--${name})`;
  document.body.append(probe);
  const found = getComputedStyle(probe).color;
  probe.remove();
  return found;
}

const options = () => ({
  layout: {
    background: { type: ColorType.Solid, color: "transparent" }, textColor: colour("quiet"), fontSize: 12,
    fontFamily: getComputedStyle(document.body).fontFamily,
    attributionLogo: false,  // it writes markup, which our policy refuses: the line under the chart has it
    panes: { separatorColor: colour("line"), enableResize: false },
  },
  grid: { vertLines: { color: colour("line") }, horzLines: { color: colour("line") } },
  rightPriceScale: { borderVisible: false, minimumWidth: 86 },
  timeScale: { borderVisible: false, timeVisible: true, secondsVisible: false, minBarSpacing: 0.05 },
  crosshair: { vertLine: { color: colour("field") }, horzLine: { color: colour("field") } },
  localization: { locale: "en-US" },
  handleScroll: { vertTouchDrag: false },
  autoSize: true,
});

/**
 * A box with a chart that `make` fills; it is made anew when what it shows, or the colour scheme, changes.
 * @param {(chart: any) => (() => void) | void} make @param {unknown[]} changes
 */
export function useChart(make, changes) {
  const box = useRef(/** @type {HTMLElement | null} */ (null));
  useEffect(() => {
    if (!box.current) return undefined;
    let clear = /** @type {(() => void) | void} */ (undefined);
    let chart = /** @type {any} */ (null);
    const draw = () => {
      clear?.();
      chart?.remove();
      chart = createChart(/** @type {HTMLElement} */ (box.current), options());
      clear = make(chart);
    };
    draw();
    dark.addEventListener("change", draw);
    return () => {
      dark.removeEventListener("change", draw);
      clear?.();
      chart.remove();
    };
  }, changes);
  return box;
}
