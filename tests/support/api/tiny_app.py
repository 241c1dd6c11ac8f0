"""A Serve application that starts fast and says what reached it, in place of the API."""

from __future__ import annotations

import os
import sys
from importlib import import_module
from typing import Any

from fastapi import FastAPI
from ray import serve

from candleray.settings import Settings, get_settings


def routes() -> FastAPI:
    app = FastAPI()

    @app.get("/health")
    def health() -> dict[str, str]:
        return {"status": "ok"}

    @app.get("/ready")
    def ready() -> dict[str, Any]:
        return {"ready": True, "services": {}}

    @app.get("/settings")
    def settings() -> dict[str, Any]:
        services = get_settings().services.model_dump()
        urls = {
            name: value.get_secret_value()
            for name, value in services.items()
            if hasattr(value, "get_secret_value")
        }
        return {"data_dir": str(get_settings().data_path), "port": get_settings().api.port, **urls}

    @app.get("/process")
    def process() -> dict[str, Any]:
        return {
            "kernels": import_module("kernels").__file__,
            "numba_threads": os.environ["NUMBA_NUM_THREADS"],
            "writes_bytecode": not sys.dont_write_bytecode,
            "auth_mode": os.environ["RAY_AUTH_MODE"],
        }

    return app


@serve.deployment(num_replicas=1, ray_actor_options={"num_cpus": 0}, max_ongoing_requests=100)
@serve.ingress(routes)
class TinyApi: ...


def build(settings: Settings) -> serve.Application:
    return TinyApi.bind()
