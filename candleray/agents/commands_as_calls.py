"""Commands that an error names, as an assistant can follow it: the tool to call, or what the person may run."""

from __future__ import annotations

import json
import re

from candleray.agents.answers import NextCall
from candleray.agents.toolbox import toolbox

_COMMAND = re.compile(r"`candleray (?P<name>[a-z]+)(?P<rest>[^`]*)`")
_OPTION = re.compile(r"--([a-z]+) ([^\s-]\S*)")


def as_calls(text: str) -> str:
    """The text with the tool in place of a command that has one, and the others as the person's to run."""
    return _COMMAND.sub(lambda command: _words(command), text)


def calls_named(text: str) -> list[NextCall]:
    """The calls that do what the text's commands do, as far as these say all that is needed."""
    named = (_call(command) for command in _COMMAND.finditer(text))
    return [call for call in named if call is not None and _is_whole(call)]


def _is_whole(call: NextCall) -> bool:
    fields = toolbox()[call.tool].takes.model_fields
    return all(name in call.arguments for name, field in fields.items() if field.is_required())


def _words(command: re.Match[str]) -> str:
    call = _call(command)
    if call is None:
        return f"{command[0]} (in the person's terminal)"
    return f"the tool {call.tool}" + (f" with {json.dumps(call.arguments)}" if call.arguments else "")


def _call(command: re.Match[str]) -> NextCall | None:
    """The call that a command stands for; None where no tool has its name."""
    tool = toolbox().get(command["name"])
    if tool is None:
        return None
    taken = {name: value for name, value in _OPTION.findall(command["rest"]) if name in tool.takes.model_fields}
    return NextCall(tool=command["name"], arguments=taken, why="as the error says")
