"""The web page: its index, and its files under an address that changes with them."""

from __future__ import annotations

from fastapi import APIRouter, Request
from starlette.responses import Response

from candleray.errors import NotFound
from serve_apps.http.access import public
from serve_apps.http.page_files import POLICY, PageFile, page
from serve_apps.http.slots import slot

router = APIRouter()

_FOR_EVER = "public, max-age=31536000, immutable"
_HEADERS = {
    "Content-Security-Policy": POLICY,
    "Cross-Origin-Opener-Policy": "same-origin",
    "Vary": "Accept-Encoding",
}


@router.get("/", include_in_schema=False)
@public
@slot("none")
async def get_page(request: Request) -> Response:
    """The page, which asks for everything it shows as any client of the API does."""
    version = f'"{page().version}"'
    headers = {**_HEADERS, "Cache-Control": "no-cache", "ETag": version}
    if request.headers.get("if-none-match") == version:
        return Response(status_code=304, headers=headers)
    return _answer(request, page().start, headers)


@router.get("/page/{version}/{path:path}", include_in_schema=False)
@public
@slot("none")
async def get_page_file(request: Request, version: str, path: str) -> Response:
    """A file of this version of the page, which never changes."""
    found = page().files.get(path) if version == page().version else None
    if found is None:
        raise NotFound("the page of this build has no such file: reload it")
    return _answer(request, found, {**_HEADERS, "Cache-Control": _FOR_EVER})


def _answer(request: Request, file: PageFile, headers: dict[str, str]) -> Response:
    if "gzip" not in request.headers.get("accept-encoding", ""):
        return Response(file.plain, media_type=file.media_type, headers=headers)
    return Response(file.gzipped, media_type=file.media_type, headers={**headers, "Content-Encoding": "gzip"})
