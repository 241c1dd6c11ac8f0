"""A tab as a person uses it: clicks and keys go through the browser, and what goes wrong in it is kept."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from tests.support.browser.chromium import Chromium
from tests.support.waiting import wait_until

_FIND = """
(selector, text) => {
  const shown = (one) => one.checkVisibility({ visibilityProperty: true });
  const said = (one) => one.getAttribute('aria-label') || one.innerText || one.value || '';
  const name = (one) => said(one).replace(/\\s+/g, ' ').trim();
  const all = [...document.querySelectorAll(selector)].filter(shown);
  if (text === null) return all[0] ?? null;
  return all.find((one) => name(one) === text) ?? all.find((one) => name(one).includes(text)) ?? null;
}
"""
_FIELD = """
(label) => {
  const clean = (text) => (text || '').replace(/\\s+/g, ' ').trim();
  const fields = [...document.querySelectorAll('input, select')].filter((one) => one.checkVisibility());
  const labels = (one) => [...(one.labels ?? [])].map((each) => each.innerText);
  const names = (one) => [one.getAttribute('aria-label'), ...labels(one)].map(clean);
  const called = (holds) => fields.find((one) => names(one).some(holds));
  return called((name) => name === label) ?? called((name) => name.startsWith(label)) ?? null;
}
"""
_KEYS = {"Enter": 13, "Escape": 27, "Tab": 9, "ArrowDown": 40, "ArrowUp": 38, "ArrowLeft": 37, "ArrowRight": 39}
_TEXTS = {"Enter": "\r"}


class Tab:
    def __init__(self, chromium: Chromium, context: str) -> None:
        self._chromium = chromium
        target = chromium.send("Target.createTarget", url="about:blank", browserContextId=context)
        attached = chromium.send("Target.attachToTarget", targetId=target["targetId"], flatten=True)
        self._session = attached["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.send(f"{domain}.enable")
        self.look()

    def send(self, method: str, **parameters: Any) -> dict[str, Any]:
        return self._chromium.send(method, self._session, **parameters)

    def look(self, width: int = 1400, height: int = 950, *, dark: bool = False, phone: bool = False) -> None:
        """Be a screen of this size."""
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": phone}
        self.send("Emulation.setDeviceMetricsOverride", **size)
        scheme = [{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}]
        self.send("Emulation.setEmulatedMedia", features=scheme)

    def open(self, url: str) -> None:
        self.send("Page.navigate", url=url)

    def evaluate(self, expression: str) -> Any:
        """The value of an expression, or of its promise."""
        asked = {"expression": expression, "awaitPromise": True, "returnByValue": True}
        told = self.send("Runtime.evaluate", **asked)
        assert "exceptionDetails" not in told, told["exceptionDetails"]
        return told["result"].get("value")

    def wait_for(self, expression: str, what: str = "") -> Any:
        passing = (AssertionError,)  # of a document that is just being replaced
        return wait_until(
            lambda: self.evaluate(expression), what=what or expression, within_s=60, passing=passing, every_s=0.03
        )

    def see(self, text: str) -> None:
        """Wait until the page shows this text."""
        try:
            self.wait_for(f"document.body.innerText.includes({json.dumps(text)})", f"the text {text!r}")
        except AssertionError as error:
            raise AssertionError(f"{error}; the page says: {self.text()[:3000]}; {self.faults()}") from None

    def text(self) -> str:
        return str(self.evaluate("document.body.innerText"))

    def click(self, selector: str, text: str | None = None) -> None:
        """Click the middle of what matches and is called so."""
        found = f"({_FIND})({json.dumps(selector)}, {json.dumps(text)})"
        x, y = self._middle_of(found, f"{selector} {text or ''}")
        for kind in ("mousePressed", "mouseReleased"):
            self.send("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", clickCount=1)

    def _middle_of(self, found: str, what: str) -> tuple[float, float]:
        place = (
            f"(() => {{ const one = {found}; if (!one || one.disabled) return null; "
            "one.scrollIntoView({ block: 'center', inline: 'nearest', behavior: 'instant' });"
            "const { x, y, width, height } = one.getBoundingClientRect();"
            "const at = [x + width / 2, y + height / 2], top = document.elementFromPoint(...at);"
            "return one.contains(top) || top?.contains(one) ? at : null; })()"
        )
        try:
            x, y = self.wait_for(place, f"{what} to click")
        except AssertionError as error:
            raise AssertionError(f"{error}; the page says: {self.text()[:3000]}; {self.faults()}") from None
        return x, y

    def fill(self, label: str, text: str) -> None:
        """Type a text into the field of that label, in place of what is there."""
        found = f"({_FIELD})({json.dumps(label)})"
        kind = self.wait_for(f"{found}?.tagName", f"the field {label!r}")
        if kind == "SELECT":
            self.evaluate(
                f"(() => {{ const one = {found}; one.value = {json.dumps(text)};"
                "one.dispatchEvent(new Event('input', { bubbles: true }));"
                "one.dispatchEvent(new Event('change', { bubbles: true })); })()"
            )
            return
        self.evaluate(f"(() => {{ const one = {found}; one.focus(); one.select(); }})()")
        self.send("Input.insertText", text=text)

    def press(self, key: str, times: int = 1) -> None:
        for _ in range(times):
            code = {"key": key, "code": key, "windowsVirtualKeyCode": _KEYS[key]}
            text = {"text": _TEXTS[key]} if key in _TEXTS else {}
            self.send("Input.dispatchKeyEvent", type="keyDown", **code, **text)
            self.send("Input.dispatchKeyEvent", type="keyUp", **code)

    def screenshot(self, path: Path, *, whole: bool = True) -> Path:
        size = self.send("Page.getLayoutMetrics")["cssContentSize"]
        clip = {"clip": {**size, "scale": 1}, "captureBeyondViewport": True} if whole else {}
        path.write_bytes(base64.b64decode(self.send("Page.captureScreenshot", format="png", **clip)["data"]))
        return path

    @property
    def _events(self) -> Sequence[dict[str, Any]]:
        return list(self._chromium.events[self._session])

    def faults(self) -> list[str]:
        """Return what no page may do: errors, breaches of its policy, requests to anybody else."""
        return [fault for event in self._events for fault in _faults(event["method"], event["params"])]


def _faults(method: str, told: dict[str, Any]) -> Iterator[str]:
    if method == "Runtime.exceptionThrown":
        yield f"exception: {told['exceptionDetails'].get('exception', {}).get('description', told)}"
    elif method == "Runtime.consoleAPICalled" and told["type"] in ("error", "assert", "warning"):
        yield f"console: {[one.get('value', one.get('description')) for one in told['args']]}"
    elif method == "Log.entryAdded" and told["entry"]["level"] in ("error", "warning"):
        # A refusal by the API is an answer; the browser notes it all the same.
        if told["entry"]["source"] != "network":
            yield f"log: {told['entry']['text']}"
    elif method == "Network.requestWillBeSent":
        address = urlsplit(told["request"]["url"])
        if address.scheme in ("http", "https", "ws", "wss") and address.hostname not in ("127.0.0.1", "localhost"):
            yield f"request to {address.hostname}"


@contextmanager
def opened_tab(chromium: Chromium) -> Iterator[Tab]:
    """A tab of its own: no cookie is there that another one has."""
    context = chromium.send("Target.createBrowserContext", disposeOnDetach=False)["browserContextId"]
    try:
        yield Tab(chromium, context)
    finally:
        chromium.send("Target.disposeBrowserContext", browserContextId=context)
