"""The documentation's page: whole, and without anything from elsewhere."""

from __future__ import annotations

import base64
import hashlib
import re

from serve_apps.http.docs_page import docs_page
from tests.support.api.in_process_api import backend, serving_strangers


async def test_the_page_is_whole_and_asks_nobody_else():
    async with serving_strangers(backend(object())) as api:
        answer = await api.get("/docs")
        document = (await api.get("/openapi.json")).json()
    assert answer.headers["Content-Type"].startswith("text/html")
    page = answer.text
    head = page.split("<h2>")[0]
    assert not re.search(r"<script|<link|<img|<iframe|src=|https?://|@import|url\(", head)
    assert "<script" not in page
    for path in document["paths"]:
        assert f"<code>{path}</code>" in page
    policy = answer.headers["Content-Security-Policy"]
    style = page.partition("<style>")[2].partition("</style>")[0]
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert f"style-src 'sha256-{digest}'" in policy
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy


def test_words_of_the_document_are_text():
    operation = {"summary": "<b>x</b>", "tags": ["<i>"], "parameters": [{"name": "<u>", "in": "query"}]}
    page = docs_page({"info": {"title": "T", "version": "1"}, "paths": {"/<p>": {"get": operation}}})
    assert not re.search(r"<(b|i|u)>", page)
    assert "<code>/<p></code>" not in page
