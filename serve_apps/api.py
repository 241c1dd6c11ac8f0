"""The HTTP API as one ASGI application, built from every module of `serve_apps.routes`."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import cache
from importlib import import_module
from importlib.metadata import version
from pkgutil import iter_modules
from typing import Any

from fastapi import APIRouter, Depends, FastAPI
from fastapi.routing import APIRoute
from starlette.middleware import Middleware
from starlette.routing import BaseRoute

from serve_apps import routes as route_files
from serve_apps.backend import Backend
from serve_apps.http.access import Authentication, describe_access, require_access
from serve_apps.http.bodies import Bodies
from serve_apps.http.errors import install_error_handlers
from serve_apps.http.middleware import BuildHeader, HeadRequests, RequestIds, SafeHeaders, UnexpectedErrors
from serve_apps.http.openapi import ERRORS
from serve_apps.http.request_log import RequestLog
from serve_apps.http.route_table import RouteTable
from serve_apps.http.slots import Slots

_DESCRIPTION = """Search trading strategies exactly over one-minute candles.

An instrument is `(market_id, symbol)`. Times are UTC. A range is `[start, end)`: the bars that lie wholly in it.
Every failure has one shape; every answer carries an `X-Request-ID`, which may be the caller's own,
and in `X-Candleray-Build` the version and commit that gave it.
Every route but a few needs a token: `POST /login/telegram/…` gives one, `POST /tokens` makes one for scripts.
"""


def discover_routers() -> list[APIRouter]:
    """The `router` of every module of `serve_apps.routes`, in order of the modules' names."""
    return [import_module(name).router for name in _route_modules()]


def _route_modules() -> tuple[str, ...]:
    return tuple(sorted(f"{route_files.__name__}.{module.name}" for module in iter_modules(route_files.__path__)))


def build_api(backend: Backend) -> FastAPI:
    modules = _route_modules()
    routes = [route for router in discover_routers() for route in router.routes if isinstance(route, APIRoute)]
    app = FastAPI(
        routes=_included(modules),
        title="Candleray",
        version=version("candleray"),
        description=_DESCRIPTION,
        license_info={"name": "Apache-2.0", "identifier": "Apache-2.0"},
        generate_unique_id_function=_operation_id,
        docs_url=None,  # its page would run scripts from elsewhere; see `serve_apps.routes.docs`
        redoc_url=None,
        redirect_slashes=False,
        lifespan=_lifespan,
        middleware=[
            Middleware(RequestIds),
            Middleware(BuildHeader),
            Middleware(SafeHeaders),
            Middleware(RequestLog, metrics=backend.metrics),
            Middleware(HeadRequests),
            Middleware(UnexpectedErrors),
            Middleware(Authentication, backend=backend, routes=routes),
            Middleware(Slots, settings=backend.settings),
            Middleware(Bodies, settings=backend.settings),
        ],
    )
    app.state.backend = backend
    _describe_access(app, modules, routes)
    install_error_handlers(app, RouteTable(routes))
    return app


@cache
def _included(modules: tuple[str, ...]) -> list[BaseRoute]:
    """The routes of these modules, each behind its access.

    Once a process: what FastAPI builds of them at the first request of an application takes 0.2 s.
    """
    whole = APIRouter(generate_unique_id_function=_operation_id)
    for module in modules:
        whole.include_router(
            import_module(module).router, responses=ERRORS, dependencies=[Depends(require_access)]
        )
    return whole.routes


_documents: dict[tuple[str, ...], dict[str, Any]] = {}


def _describe_access(app: FastAPI, modules: tuple[str, ...], routes: list[APIRoute]) -> None:
    """Have the document say who may call a route; it is made once a process, which takes 3 s."""
    plain = app.openapi

    def openapi() -> dict[str, Any]:
        if modules not in _documents:
            _documents[modules] = describe_access(plain(), routes)
        return _documents[modules]

    app.openapi = openapi  # type: ignore[method-assign]


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    leaving = asyncio.ensure_future(app.state.backend.metrics_of_all.leave_for_ever())
    yield
    leaving.cancel()
    if app.state.backend.close:
        await app.state.backend.close()


def _operation_id(route: APIRoute) -> str:
    """The function's name: stable and readable; a test checks that it is unique."""
    return route.name
