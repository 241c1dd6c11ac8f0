// A table that is sorted by its heads; of many rows only those in sight are in the document.
import { html, useMemo, useRef, useState } from "../vendor/preact.js";

const ROW_PX = 37;
const SPARE = 12;
const WHOLE = 120;

/**
 * @template T
 * @typedef {{name: string, title: string, value: (row: T) => any, show?: (row: T) => any, isNumber?: boolean, tone?: (row: T) => string, isFixed?: boolean}} Column
 */

/**
 * @template T
 * @param {{label: string, columns: Column<T>[], rows: T[], keyOf: (row: T) => string | number, open?: (row: T) => void, sort?: {name: string, down: boolean}}} props
 */
export function Table({ label, columns, rows, keyOf, open, sort }) {
  const [order, setOrder] = useState(sort ?? null);
  const [top, setTop] = useState(0);
  const box = useRef(/** @type {HTMLElement | null} */ (null));
  const sorted = useMemo(() => ordered(rows, columns.find((one) => one.name === order?.name), order?.down), [rows, order, columns.length]);
  const height = box.current?.clientHeight || 700;
  const first = rows.length <= WHOLE ? 0 : Math.max(0, Math.floor(top / ROW_PX) - SPARE);
  const last = rows.length <= WHOLE ? rows.length : Math.min(rows.length, first + Math.ceil(height / ROW_PX) + 2 * SPARE);
  const turn = (/** @type {Column<T>} */ column) => setOrder((now) => ({ name: column.name, down: now?.name === column.name ? !now.down : Boolean(column.isNumber) }));
  const gap = (/** @type {number} */ count) => count > 0 && html`<tr aria-hidden="true"><td colspan=${columns.length} style=${{ height: `${count * ROW_PX}px`, padding: 0, border: 0 }}></td></tr>`;
  return html`<div class="rows" ref=${box} tabindex="0" role="region" aria-label=${label} onScroll=${(/** @type {any} */ event) => setTop(event.currentTarget.scrollTop)}>
    <table aria-label=${label} aria-rowcount=${rows.length + 1}>
      <thead><tr>${columns.map((column) => html`<th key=${column.name} scope="col" class=${column.isNumber ? "number" : ""}
          aria-sort=${order?.name === column.name ? (order.down ? "descending" : "ascending") : undefined}>
        ${column.isFixed ? column.title : html`<button type="button" onClick=${() => turn(column)}>${column.title}<span aria-hidden="true">${order?.name === column.name ? (order.down ? "▾" : "▴") : ""}</span></button>`}</th>`)}</tr></thead>
      <tbody>${gap(first)}
        ${sorted.slice(first, last).map((row, at) => html`<tr key=${keyOf(row)} aria-rowindex=${first + at + 2}>
          ${columns.map((column) => html`<td key=${column.name} class=${`${column.isNumber ? "number" : ""} ${column.tone?.(row) ?? ""}`.trim()}>${(column.show ?? column.value)(row)}</td>`)}</tr>`)}
        ${gap(rows.length - last)}</tbody>
    </table></div>`;
}

/** @template T @param {T[]} rows @param {Column<T> | undefined} column @param {boolean} [down] */
function ordered(rows, column, down) {
  if (!column) return rows;
  const sign = down ? -1 : 1;
  const held = rows.map((row) => ({ row, value: column.value(row) }));
  held.sort((one, other) => {
    const [a, b] = [one.value, other.value];
    if (a === b) return 0;
    // What is undefined comes last, whichever way.
    if (a === null || a === undefined) return 1;
    if (b === null || b === undefined) return -1;
    return a < b ? -sign : sign;
  });
  return held.map((one) => one.row);
}
