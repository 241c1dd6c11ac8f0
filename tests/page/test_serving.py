"""Serving of the page: one address a version, compressed, under a policy that lets nothing else in."""

from __future__ import annotations

import gzip
import hashlib
import json
import re
from collections.abc import AsyncIterator

import httpx
import pytest

from serve_apps.http.page_files import FOLDER, NOT_SERVED, POLICY, page
from tests.support.api.in_process_api import backend, serving_strangers

LIMIT = 250_000
"""Bytes of all files as they are sent."""


@pytest.fixture
async def api() -> AsyncIterator[httpx.AsyncClient]:
    async with serving_strangers(backend(object())) as client:
        yield client


async def test_the_index_names_the_files_of_its_version_and_is_asked_for_anew_each_time(api: httpx.AsyncClient):
    answer = await api.get("/")
    assert answer.headers["Cache-Control"] == "no-cache"
    named = re.findall(r'(?:href|src)="([^"]+)"', answer.text)
    assert f"/page/{page().version}/app.js" in named
    for path in named:
        file = await api.get(path)
        assert file.status_code == 200, path
        assert file.headers["Cache-Control"] == "public, max-age=31536000, immutable"
    again = await api.get("/", headers={"If-None-Match": answer.headers["ETag"]})
    assert (again.status_code, again.content) == (304, b"")


async def test_every_file_is_what_lies_in_the_folder_compressed_or_not(api: httpx.AsyncClient):
    for name, file in page().files.items():
        for coding in ("gzip", "identity"):
            path = f"/page/{page().version}/{name}"
            answer = await api.get(path, headers={"Accept-Encoding": coding})
            assert answer.content == (FOLDER / name).read_bytes(), name
            assert answer.headers.get("Content-Encoding") == (coding if coding == "gzip" else None)
            assert answer.headers["Content-Type"] == file.media_type
            assert answer.headers["X-Content-Type-Options"] == "nosniff"


@pytest.mark.parametrize(
    "path",
    ["{}/nothing.js", "{}/../../routes/page.py", "{}/%2e%2e/%2e%2e/api.py", "{}/", "0000000000000000/app.js"],
)
async def test_what_is_no_file_of_this_version_is_not_there(api: httpx.AsyncClient, path: str):
    answer = await api.get("/page/" + path.format(page().version))
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "not_found")


async def test_nothing_comes_from_elsewhere_and_nothing_inline_runs(api: httpx.AsyncClient):
    answer = await api.get("/")
    assert answer.headers["Content-Security-Policy"] == POLICY
    assert "unsafe" not in POLICY
    assert "*" not in POLICY
    assert "require-trusted-types-for 'script'" in POLICY
    assert answer.headers["Cross-Origin-Opener-Policy"] == "same-origin"
    assert not re.search(r"<script(?![^>]*\bsrc=)|<style|\son\w+=|\sstyle=|https?://", answer.text)


def test_nothing_of_ours_makes_markup_of_text():
    for path in FOLDER.glob("**/*.js"):
        if not {"vendor", "tools"}.intersection(path.parts):
            assert not re.search(
                r"innerHTML|outerHTML|insertAdjacentHTML|dangerously|\beval\b", path.read_text()
            ), path


def test_all_files_together_are_small():
    sent = sum(len(file.gzipped) for name, file in page().files.items() if "LICENSES" not in name)
    assert sent < LIMIT, sent


def test_a_changed_file_changes_the_address_of_all():
    contents = {name: file.plain for name, file in page().files.items()}
    assert gzip.decompress(page().files["app.js"].gzipped) == contents["app.js"]
    assert page().version in page().start.plain.decode()


def test_vendored_files_are_those_of_the_lock_each_with_its_licence():
    lock = json.loads((FOLDER / "vendor/vendor.lock").read_text())
    for name, sha256 in lock["files"].items():
        assert hashlib.sha256((FOLDER / "vendor" / name).read_bytes()).hexdigest() == sha256, name
    kept = {
        path.name for path in (FOLDER / "vendor").iterdir() if path.is_file() and path.suffix not in NOT_SERVED
    }
    assert kept == set(lock["files"])
    for package in lock["packages"]:
        assert package["license"] in ("MIT", "Apache-2.0", "BSD-3-Clause")
        assert (FOLDER / "vendor/LICENSES" / f"{package['name'].replace('/', '-')}.txt").stat().st_size > 500
    wanted = json.loads((FOLDER / "tools/package.json").read_text())["dependencies"]
    assert {one["name"]: one["version"] for one in lock["packages"]} == wanted
