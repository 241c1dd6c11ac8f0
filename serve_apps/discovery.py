"""Finds the routers: adding a route is adding a file."""

from __future__ import annotations

import pkgutil
from importlib import import_module

from fastapi import APIRouter


def discover_routers() -> list[APIRouter]:
    """The `router` of every module of `serve_apps.routes`, in order of their names."""
    package = import_module("serve_apps.routes")
    names = sorted(module.name for module in pkgutil.iter_modules(package.__path__))
    return [import_module(f"serve_apps.routes.{name}").router for name in names]
