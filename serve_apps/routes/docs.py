"""The API's documentation as a page."""

from __future__ import annotations

from fastapi import APIRouter, Request
from starlette.responses import HTMLResponse, Response

from serve_apps.http.access import public
from serve_apps.http.docs_page import POLICY, docs_page

router = APIRouter()


@router.get("/docs", include_in_schema=False)
@public
async def get_docs(request: Request) -> Response:
    """Every route with its examples; the page needs nothing from elsewhere, and runs nothing."""
    return HTMLResponse(docs_page(request.app.openapi()), headers={"Content-Security-Policy": POLICY})
