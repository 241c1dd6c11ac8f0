"""The API on Ray Serve: deployed, waited for, withdrawn."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import Any

import httpx

from candleray.errors import InstanceError, ServiceUnavailable, first_line
from candleray.network.clients import probe
from candleray.settings import Settings
from cluster.machine.polls import polls

APP = "serve_apps.app:build"
NAME = "candleray"
READY_TIMEOUT_S = 60.0


class ApiDeployment:
    """The application `app(settings)`, by import string because its package stands above this one."""

    def __init__(self, settings: Settings, app: str) -> None:
        self.settings = settings
        self.app = app
        self.url = api_url(settings)

    @contextmanager
    def deployed(self) -> Iterator[str]:
        """Yields its URL.

        Raises:
            InstanceError: there is no such application.
            ServiceUnavailable: it does not become ready.
        """
        from ray import serve

        self.deploy()
        wait_ready(self.url)
        yield self.url
        serve.delete(NAME)  # lets requests under way finish; where Ray is lost, there is nothing to delete

    def deploy(self) -> None:
        """Have it as it should be, whatever is left of it."""
        from ray import serve
        from ray.exceptions import RayError

        from actors.ray_errors import original_error

        build = imported(self.app)
        logging.getLogger("ray.serve").setLevel(logging.WARNING)
        try:
            serve.start(http_options={"host": self.settings.api.host, "port": self.settings.api.port})
            serve.run(build(self.settings), name=NAME, route_prefix="/")
        except (RuntimeError, RayError) as exc:
            raise ServiceUnavailable(f"the API does not start: {first_line(original_error(exc))}") from exc


def api_url(settings: Settings) -> str:
    """Return the address at which people on this machine reach it."""
    host = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(settings.api.host, settings.api.host)  # noqa: S104
    return f"http://{host}:{settings.api.port}"


def wait_ready(url: str) -> None:
    """
    Raises:
        ServiceUnavailable: with the last answer of `/ready`.
    """
    status, body = 0, None
    for _ in polls(READY_TIMEOUT_S, every_s=0.1):
        status, body = readiness(url)
        if status == httpx.codes.OK:
            return
    said = _in_words(body) if status else "nothing"
    raise ServiceUnavailable(f"the API at {url} is not ready after {READY_TIMEOUT_S:g} s; it says {said}")


def _in_words(body: Any) -> str:
    """Every problem of a `/ready` that is not ready, as sentences."""
    try:
        told = body["error"]["problems"]
        return "; ".join(f"{problem['field']}: {problem['message']}" for problem in told)
    except (KeyError, TypeError):
        return str(body)


def readiness(url: str) -> tuple[int, Any]:
    """Status and content of `/ready`; (0, None) where nothing answers."""
    return told_at(f"{url}/ready")


def told_at(url: str, timeout_s: float = 5.0) -> tuple[int, Any]:
    """Status and content of an answer; (0, None) where nothing answers."""
    try:
        answer = probe(url, timeout_s)
    except httpx.HTTPError:
        return 0, None
    try:
        return answer.status_code, answer.json()
    except ValueError:
        return answer.status_code, answer.text


def imported(app: str) -> Any:
    """
    Raises:
        InstanceError: there is no such module, or no such name in it.
    """
    module, _, name = app.partition(":")
    try:
        return getattr(import_module(module), name)
    except (ImportError, AttributeError) as exc:
        raise InstanceError(f"the application {app} cannot be loaded: {first_line(exc)}") from exc
