"""The structure of the house: its rooms, names, imports and language."""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from collections import Counter, defaultdict
from collections.abc import Iterator
from functools import cache
from graphlib import TopologicalSorter
from importlib.metadata import packages_distributions
from pathlib import Path

import grimp

from candleray.settings import ROOT
from tests.order import LONGEST_FIRST

PACKAGES = ("kernels", "candleray", "actors", "cluster", "serve_apps")
SOURCES = sorted(path for top in PACKAGES for path in (ROOT / top).rglob("*.py"))
TESTS = sorted((ROOT / "tests").rglob("*.py"))
EVERY = [*SOURCES, *TESTS, *sorted((ROOT / "docs").glob("*.py"))]

MOST_FILES = 20
ROOMS_OF_ONE_KIND = {"kernels/indicators", "candleray/commands", "cluster/operations", "serve_apps/routes"}
"""Each of their files is discovered and like the others: they may be many."""

ONE_CONCEPT_ON_TWO_FLOORS = {
    *(
        "backfill",
        "candles",
        "compute",
        "job",
        "report",
        "run",
        "strategy",
        "tokens",
        "verdict",
    ),  # and its command
    *("backtest", "preflight", "robustness"),  # and its tool, or its command
    "subscriptions",  # and its command and methods
    *("binance", "bybit"),  # the client's side, and the simulator's
    "store",  # each room's own
    *("holdout", "holdouts", "trials"),  # the methods, the routes and the command
    "telegram",  # the login by it, and the command of its messages
}

OPENS_NO_DOCSTRING = {
    *("What", "How", "When", "Where", "Which", "Who", "Whom", "Whoever", "Whose", "Whether", "If", "While"),
    *("As", "At", "Before", "Beside", "Besides", "By", "For", "From", "In", "Of", "On", "To", "Until", "With"),
    *("Within", "Without"),
    *("And", "Also", "Asked", "Bound", "Here", "It", "None", "Not", "Only", "Or", "Started", "That", "There"),
    *("They", "Those", "These"),
}
"""A docstring opens with a noun, for what a thing is, or a verb, for what it does."""
CODE_OF_A_RULE = re.compile(r"\([RSMIP]\d[^)]*\)|\b[RS]\d\.\d+\b|\bissue \d+\b")
MOST_PARAMETERS = 8


@cache
def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text())


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


def docstrings_of(path: Path) -> Iterator[str]:
    """Yield every docstring, those of fields among them."""
    for node in ast.walk(parsed(path)):
        body = getattr(node, "body", None)
        for statement in body if isinstance(body, list) else ():
            if isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant):
                text = statement.value.value
                if isinstance(text, str) and text.strip():
                    yield text


def test_no_room_holds_more_unlike_files_than_a_reader_keeps_in_mind():
    files = Counter(name_of(path.parent) for path in EVERY if path.name != "__init__.py")
    full = {room: count for room, count in files.items() if count > MOST_FILES and "/" in room}
    assert full.keys() <= ROOMS_OF_ONE_KIND, full


def test_two_modules_of_one_name_are_one_concept():
    places = defaultdict(list)
    for path in (ROOT / "candleray").rglob("*.py"):
        places[path.stem].append(name_of(path))
    doubled = {name: paths for name, paths in places.items() if len(paths) > 1 and not name.startswith("__")}
    assert doubled.keys() <= ONE_CONCEPT_ON_TWO_FLOORS, doubled


def test_no_module_imports_itself_on_a_way_round():
    graph = grimp.build_graph(*PACKAGES, cache_dir=None)
    imports = {module: graph.find_modules_directly_imported_by(module) for module in graph.modules}
    assert list(TopologicalSorter(imports).static_order())


def libraries_of(path: Path) -> set[str]:
    """The packages that a file imports and that are neither ours nor Python's."""
    nodes = list(ast.walk(parsed(path)))
    named = [one.name for node in nodes if isinstance(node, ast.Import) for one in node.names]
    named += [node.module for node in nodes if isinstance(node, ast.ImportFrom) and node.module and not node.level]
    return {name.partition(".")[0] for name in named} - {*PACKAGES, "tests", "docs", *sys.stdlib_module_names}


def distribution(requirement: str) -> str:
    return re.split(r"[^A-Za-z0-9._-]", requirement)[0].lower().replace("_", "-")


def test_every_library_that_is_imported_is_declared():
    """One that comes along with another may go with its next version."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    extras = project["project"]["optional-dependencies"].values()
    declared = [*project["project"]["dependencies"], *(one for extra in extras for one in extra)]
    ours = {distribution(one) for one in declared}
    tested = ours | {distribution(one) for group in project["dependency-groups"].values() for one in group}
    installed = packages_distributions()
    undeclared = [
        f"{name_of(path)}: {library}"
        for path in EVERY
        for library in sorted(libraries_of(path))
        if not {distribution(one) for one in installed.get(library, [library])}
        & (ours if path in SOURCES else tested)
    ]
    assert not undeclared


def test_no_test_imports_a_test():
    imported = {
        name_of(path): node.module
        for path in TESTS
        for node in ast.walk(parsed(path))
        if isinstance(node, ast.ImportFrom) and re.search(r"(^|\.)test_", node.module or "")
    }
    assert not imported


def test_what_runs_first_is_there():
    assert [name for name in LONGEST_FIRST if not (ROOT / name).exists()] == []


def test_a_docstring_begins_with_what_a_thing_is_or_does():
    vague = [
        f"{name_of(path)}: {' '.join(text.split()[:8])}"
        for path in EVERY
        for text in docstrings_of(path)
        if text.split()[0].rstrip(",:;.") in OPENS_NO_DOCSTRING
    ]
    assert not vague


def test_a_rule_is_named_in_words_and_not_by_a_code():
    codes = {name_of(path): CODE_OF_A_RULE.findall(path.read_text()) for path in EVERY}
    assert not {name: found for name, found in codes.items() if found and name != name_of(Path(__file__))}


def parameters_of(function: ast.FunctionDef) -> list[str]:
    """Return the parameters that a caller gives: an intrinsic's context is the compiler's."""
    every = [*function.args.posonlyargs, *function.args.args, *function.args.kwonlyargs]
    return [parameter.arg for parameter in every if parameter.arg != "_context"]


def test_no_kernel_takes_more_parameters_than_can_be_told_apart():
    taken = {
        f"{name_of(path)}: {node.name}": len(parameters_of(node))
        for path in SOURCES
        if path.is_relative_to(ROOT / "kernels")
        for node in ast.walk(parsed(path))
        if isinstance(node, ast.FunctionDef)
    }
    assert not {name: count for name, count in taken.items() if count > MOST_PARAMETERS}
