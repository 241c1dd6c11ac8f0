// A search box whose finds are chosen by mouse or by arrow keys: the pattern of an ARIA combobox.
import { html, useId, useState } from "../vendor/preact.js";

/**
 * @template T
 * @param {{label: string, items: T[], text: (item: T) => string, more: (item: T) => string, choose: (item: T) => void, placeholder?: string}} props
 */
export function Finder({ label, items, text, more, choose, placeholder }) {
  const id = useId();
  const [typed, setTyped] = useState("");
  const [at, setAt] = useState(0);
  const [isOpen, setOpen] = useState(false);
  const parts = typed.toLowerCase().split(/\s+/).filter(Boolean);
  const found = items.filter((item) => {
    const all = `${text(item)} ${more(item)}`.toLowerCase();
    return parts.every((part) => all.includes(part));
  }).slice(0, 60);
  const take = (/** @type {T} */ item) => {
    choose(item);
    setTyped("");
    setAt(0);
    setOpen(false);
  };
  const key = (/** @type {KeyboardEvent} */ event) => {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step) {
      event.preventDefault();
      setOpen(true);
      setAt((now) => (isOpen ? (now + step + found.length) % Math.max(1, found.length) : now));
    } else if (event.key === "Enter") {
      event.preventDefault();
      if (isOpen && found[at]) take(found[at]);
    } else if (event.key === "Escape") setOpen(false);
  };
  return html`<div class="finder">
    <label class="field" for=${id}>${label}</label>
    <input id=${id} role="combobox" aria-expanded=${isOpen && found.length > 0} aria-controls=${`${id}-list`} aria-autocomplete="list" autocomplete="off"
      aria-activedescendant=${isOpen && found[at] ? `${id}-${at}` : undefined} placeholder=${placeholder} value=${typed}
      onInput=${(/** @type {any} */ event) => { setTyped(event.target.value); setAt(0); setOpen(true); }}
      onFocus=${() => setOpen(true)} onBlur=${() => setOpen(false)} onKeyDown=${key} />
    ${isOpen && found.length > 0 && html`<ul role="listbox" id=${`${id}-list`} aria-label=${label}>
      ${found.map((item, place) => html`<li key=${place} id=${`${id}-${place}`} role="option" aria-selected=${place === at}
        onMouseDown=${(/** @type {Event} */ event) => { event.preventDefault(); take(item); }}>
        ${text(item)}<small>${more(item)}</small></li>`)}
    </ul>`}
  </div>`;
}
