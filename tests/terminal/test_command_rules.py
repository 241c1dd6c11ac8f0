"""Rules that every command keeps, whichever package it comes from: learn one, and know them all."""

from __future__ import annotations

import ast
import re
import shlex
from pathlib import Path
from typing import Any, get_args, get_origin

import pytest

from candleray import cli
from candleray.terminal.exit_codes import ExitCode

ROOT = Path(__file__).parents[2]
LEAVES = cli.leaf_commands()


def options_of(command: Any) -> dict[str, Any]:
    return {name: param for param in command.params for name in param.opts if name.startswith("-")}


def examples_of(command: Any) -> list[str]:
    """The command lines behind `Example:`, each part of a pipe by itself."""
    text = " ".join(line.strip() for line in (command.help or "").split("Example:")[1:])
    return [part[part.index("candleray ") :] for part in text.split("|") if "candleray " in part]


@pytest.mark.parametrize("name", LEAVES)
def test_every_command_prints_json_when_asked(name: str) -> None:
    flag = options_of(LEAVES[name]).get("--json")
    assert flag is not None
    assert flag.is_flag
    assert flag.help.startswith("Print ")


@pytest.mark.parametrize("name", LEAVES)
def test_every_command_has_an_example_that_it_would_take(name: str) -> None:
    examples = examples_of(LEAVES[name])
    assert any(example.split()[1 : 1 + len(name.split())] == name.split() for example in examples)
    for example in examples:
        words = shlex.split(example)[1:]
        known = next(LEAVES[key] for key in (" ".join(words[:2]), words[0]) if key in LEAVES)
        used = {word.partition("=")[0] for word in words if word.startswith("--")}
        assert used <= set(options_of(known)) | {"--debug"}, example


def test_an_option_of_one_name_is_of_one_kind() -> None:
    kinds: dict[str, set[tuple[Any, Any]]] = {}
    for command in LEAVES.values():
        for param in options_of(command).values():
            kind = param.type_descriptor.annotation
            one = get_args(kind)[0] if get_origin(kind) is list else kind
            kinds.setdefault(param.opts[0], set()).add((one, param.metavar))
    assert {option: kind for option, kind in kinds.items() if len(kind) > 1} == {}


def test_options_are_words_joined_by_hyphens_and_say_what_they_do() -> None:
    for name, command in LEAVES.items():
        for option, param in options_of(command).items():
            assert re.fullmatch(r"--[a-z]+(-[a-z]+)*", option), f"{name} {option}"
            assert param.hidden or (param.help and not param.help[0].islower() and param.help.endswith(".")), (
                f"{name} {option}: {param.help}"
            )


def test_who_takes_an_address_takes_a_data_folder_too() -> None:
    for name, command in LEAVES.items():
        options = options_of(command)
        assert "--api" not in options or "--data" in options, name
        if "--data" in options:
            assert options["--data"].metavar == "DIR", name


def test_an_id_is_an_argument_named_after_what_it_is_of_and_its_group_lists_them() -> None:
    for name, command in LEAVES.items():
        for param in command.params:
            if param.param_type_name == "argument" and param.name.endswith("_id") and " " in name:
                group = name.split()[0]
                assert param.metavar == param.name.removesuffix("_id").upper(), name
                assert f"{group} list" in LEAVES, name


def test_commands_that_list_are_called_list_or_by_a_plural() -> None:
    for name, command in LEAVES.items():
        if (command.help or "").startswith("List ") and " " in name:
            assert name.split()[1] == "list", name


def test_exit_codes_are_those_of_the_table_and_no_number_stands_in_a_command() -> None:
    assert {code.value for code in ExitCode} == {0, 1, 2, 130}
    page = (ROOT / "docs" / "reference" / "commands.md").read_text()
    assert all(f"| {code.value} | {code.meaning} |" in page for code in ExitCode)
    sources = [source for one in cli.find_commands().values() if (source := cli._source_file(one.module))]
    for source in sources:
        for node in ast.walk(ast.parse(source.read_text())):
            if isinstance(node, ast.Call) and ast.unparse(node.func) in ("typer.Exit", "sys.exit", "Exit"):
                assert not any(isinstance(one, ast.Constant) for one in node.args), f"{source}:{node.lineno}"
