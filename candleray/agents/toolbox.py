"""All tools by name, found in their room."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib import import_module
from inspect import getdoc
from pkgutil import iter_modules

from candleray.agents import tools
from candleray.agents.answers import Answer
from candleray.agents.tool import Call, Tool
from candleray.errors import NotFound, nearest
from candleray.validation import validated


@cache
def toolbox() -> Mapping[str, Tool]:
    """Every tool by its name, which is its file's."""
    names = sorted(module.name for module in iter_modules(tools.__path__))
    return {name: import_module(f"{tools.__name__}.{name}").TOOL for name in names}


def description_of(name: str) -> str:
    """The words about a tool for an assistant: its file's docstring on one line."""
    return " ".join((getdoc(import_module(f"{tools.__name__}.{name}")) or "").split())


def tool_named(name: str) -> Tool:
    """
    Raises:
        NotFound: with the nearest name.
    """
    if name not in toolbox():
        raise NotFound(f"unknown tool {name[:60]!r}; {nearest(name, list(toolbox()))}")
    return toolbox()[name]


def run_tool(name: str, call: Call, arguments: Mapping[str, object]) -> Answer:
    """
    Raises:
        InvalidInput: the arguments are not those that the tool takes.
    """
    tool = tool_named(name)
    return tool.run(call, validated(tool.takes, dict(arguments), f"the call of {name}"))
