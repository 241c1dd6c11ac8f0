// Components and state: preact, htm and signals as one file.
import { h, render, Fragment } from "preact";
import htm from "htm";

export { h, render, Fragment };
export { useEffect, useLayoutEffect, useMemo, useRef, useState, useCallback, useId } from "preact/hooks";
export { signal, computed, effect, batch, useSignal, useComputed, useSignalEffect } from "@preact/signals";
export const html = htm.bind(h);
