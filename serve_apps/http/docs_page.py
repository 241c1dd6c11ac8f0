"""The API's documentation as one page of HTML, made of the OpenAPI document: no script, nothing from elsewhere."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterator, Mapping
from html import escape
from typing import Any

_STYLE = """
body{font:16px/1.5 system-ui,sans-serif;max-width:62rem;margin:0 auto;padding:1rem;color:#1d232b;background:#fff}
h1{margin-bottom:0}h2{margin:2rem 0 .5rem;border-bottom:1px solid #ccd3db;text-transform:capitalize}
details{border:1px solid #dde3ea;border-radius:6px;margin:.4rem 0;padding:.3rem .7rem}summary{cursor:pointer}
code,pre{font:13px/1.45 ui-monospace,monospace}pre{background:#f4f6f9;padding:.7rem;overflow:auto;max-height:26rem}
table{border-collapse:collapse;font-size:14px}td,th{border:1px solid #dde3ea;padding:.2rem .6rem;text-align:left}
.method{display:inline-block;width:4.5rem;font-weight:700}.note{color:#5a6573;font-size:14px}
@media(prefers-color-scheme:dark){body{background:#14181d;color:#dbe2ea}pre{background:#1d232b}
details,td,th,h2{border-color:#353f4b}.note{color:#9aa7b5}a{color:#7db2ff}}
"""

POLICY = (
    "default-src 'none'; style-src 'sha256-"
    + base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
    + "'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
)
"""The page's own style and nothing else."""


def docs_page(document: Mapping[str, Any]) -> str:
    """One section a topic, one entry an operation: what it does, needs, takes and answers, with examples."""
    info, topics = document["info"], _by_topic(document)
    sections = "".join(
        f"<h2>{escape(topic)}</h2>{''.join(_operation(*one) for one in operations)}"
        for topic, operations in topics.items()
    )
    description = "".join(f"<p>{escape(part)}</p>" for part in info.get("description", "").split("\n\n"))
    title = f"{escape(info['title'])} {escape(info['version'])}"
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{title}</title>'
        f'<meta name="viewport" content="width=device-width"><style>{_STYLE}</style></head><body>'
        f'<h1>{title}</h1>{description}<p class="note">Every schema is in '
        f'<a href="/openapi.json">/openapi.json</a>.</p>{sections}</body></html>'
    )


def _by_topic(document: Mapping[str, Any]) -> dict[str, list[tuple[str, str, Mapping[str, Any]]]]:
    topics: dict[str, list[tuple[str, str, Mapping[str, Any]]]] = {}
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            topic = (operation.get("tags") or ["other"])[0]
            topics.setdefault(topic, []).append((method.upper(), path, operation))
    return topics


def _operation(method: str, path: str, operation: Mapping[str, Any]) -> str:
    scope = operation.get("x-scope")
    needs = f"needs a token with the scope <code>{escape(scope)}</code>" if scope else "needs no login"
    said = "".join(f"<p>{escape(part)}</p>" for part in operation.get("description", "").split("\n\n"))
    parts = (*_parameters(operation), *_examples(operation))
    return (
        f'<details><summary><span class="method">{method}</span><code>{escape(path)}</code> '
        f"{escape(operation.get('summary', ''))}</summary>{said}"
        f'<p class="note">{needs}</p>{"".join(parts)}</details>'
    )


def _parameters(operation: Mapping[str, Any]) -> Iterator[str]:
    rows = [
        f"<tr><td><code>{escape(one['name'])}</code></td><td>{escape(one['in'])}</td>"
        f"<td>{'required' if one.get('required') else ''}</td><td>{escape(one.get('description', ''))}</td></tr>"
        for one in operation.get("parameters", ())
    ]
    if rows:
        yield f"<table><tr><th>parameter</th><th>in</th><th></th><th></th></tr>{''.join(rows)}</table>"


def _examples(operation: Mapping[str, Any]) -> Iterator[str]:
    for kind, content in operation.get("requestBody", {}).get("content", {}).items():
        for name, example in content.get("examples", {}).items():
            yield _code(f"body {kind}: {example.get('summary', name)}", example.get("value"))
    for status, answer in operation.get("responses", {}).items():
        for kind, content in answer.get("content", {}).items():
            if status[0] in "23" and "example" in content:
                yield _code(f"{status} {kind}", content["example"])


def _code(title: str, value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, indent=1, ensure_ascii=False)
    return f'<p class="note">{escape(title)}</p><pre>{escape(text)}</pre>'
