"""Generated pages are up to date, links lead somewhere, and the house is as CONTRIBUTING says."""

from __future__ import annotations

import ast
import re
import runpy
import tomllib
from importlib.metadata import PackageNotFoundError, metadata
from itertools import chain
from pathlib import Path

import pytest

import cluster
import kernels

ROOT = Path(__file__).resolve().parent.parent
PAGES = runpy.run_path(str(ROOT / "docs" / "generate.py"))["PAGES"]
PACKAGES = ("kernels", "candleray", "actors", "cluster", "serve_apps")
SOURCES = sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))
ENTRANCES = [ROOT / "candleray" / name for name in ("__init__.py", "__main__.py", "cli.py")]
"""Files that lie beside the words and lead into the rooms."""
DOCUMENTS = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]


@pytest.mark.parametrize("name", sorted(PAGES))
def test_generated_pages_are_up_to_date(name: str):
    assert (ROOT / name).read_text() == PAGES[name](), f"{name} is stale: run `make docs`"


def test_pictures_of_a_page_are_those_of_its_ideas_and_small():
    pictures = list((ROOT / "docs" / "howto" / "say-it").iterdir())
    assert {str(path.relative_to(ROOT)) for path in pictures} <= set(PAGES)
    assert sum(path.stat().st_size for path in pictures) < 600_000


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_of_the_documents_lead_somewhere(document: Path):
    for target in re.findall(r"\]\(([^)#\s]+)[^)]*\)", document.read_text()):
        if "://" not in target:
            assert (document.parent / target).exists(), f"{document.name} links to {target}"


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_the_places_that_documents_name_exist(document: Path):
    for place in re.findall(rf"`((?:{'|'.join(PACKAGES)}|docs|tests)/[\w./-]+)`", document.read_text()):
        assert (ROOT / place).exists(), f"{document.name} names {place}"


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_the_documents_name_rules_in_words_and_not_by_codes(document: Path):
    assert re.findall(r"\b(?:R\d+\.\d+|[ISM]\d+)\b", document.read_text()) == []


METRICS = {
    f"ray_{name}"
    for source in SOURCES
    for name in re.findall(r'(?:Counter|Gauge|Histogram)\(\s*"(candleray_\w+)"', source.read_text())
}
"""Metrics by the names under which Ray exports them."""


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_the_metrics_that_documents_name_are_exported_under_these_names(document: Path):
    for name in re.findall(r"`(\w*candleray_\w+)", document.read_text()):
        is_metric = any(name in metric for metric in METRICS) or name.startswith("ray_")
        assert not is_metric or any(metric.startswith(name) for metric in METRICS), f"{document.name} names {name}"


def declared_packages() -> list[str]:
    content = tomllib.loads((ROOT / "pyproject.toml").read_text())
    project, groups = content["project"], content["dependency-groups"]
    lists = [project["dependencies"], *project["optional-dependencies"].values(), *groups.values()]
    return sorted({re.split(r"[^\w.-]", requirement, maxsplit=1)[0] for requirement in chain(*lists)})


def licences_on_the_page() -> dict[str, str]:
    page = (ROOT / "docs" / "explanation" / "dependencies.md").read_text()
    return dict(re.findall(r"^\| `([^`]+)` \|[^|]+\| ([^|]+) \|", page, re.MULTILINE))


def licence_of(package: str) -> str | None:
    """Return the licence that the installed package states; None where no program can read one."""
    try:
        said = metadata(package)
    except PackageNotFoundError:
        return None
    return said["License-Expression"] or said["License"]


def test_every_dependency_has_a_row_on_its_page_and_every_row_a_dependency():
    assert sorted(licences_on_the_page()) == declared_packages()


@pytest.mark.parametrize("package", declared_packages())
def test_the_licence_on_the_page_is_the_one_that_the_package_names(package: str):
    assert licence_of(package) in (licences_on_the_page()[package], None)


def test_the_map_of_contributing_names_places_that_exist():
    rows = re.findall(r"^\|[^|]+\| `([^`]+)`", (ROOT / "CONTRIBUTING.md").read_text(), re.MULTILINE)
    assert len(rows) > 10
    for place in rows:
        folder = ROOT / place.partition("<")[0].rsplit("/", 1)[0] if "<" in place else ROOT / place
        assert folder.exists(), f"CONTRIBUTING sends people to {place}"


def test_the_map_of_contributing_names_what_its_files_hold():
    rows = re.findall(r"^\|[^|]+\|.*?`([\w./-]+)`: `(\w+)`", (ROOT / "CONTRIBUTING.md").read_text(), re.MULTILINE)
    assert rows
    for place, name in rows:
        assert re.search(rf"\b{name}\b", (ROOT / place).read_text()), f"{place} holds no {name}"


def test_our_packages_come_before_distributions_of_the_same_name():
    for package in (kernels, cluster):
        assert package.__file__ is not None
        assert Path(package.__file__).is_relative_to(ROOT)


def drawn_imports() -> set[tuple[str, str]]:
    """Every pair of rooms that an arrow of the picture leads from and to, directly or over others."""
    page = (ROOT / "docs" / "explanation" / "architecture.md").read_text()
    pairs = set(re.findall(r"^ +(\w+)\S?.* --> (\w+)", page, re.MULTILINE))
    while further := {(a, d) for a, b in pairs for c, d in pairs if b == c} - pairs:
        pairs |= further
    return pairs


def room_of(module: str) -> str:
    package, _, rest = module.partition(".")
    if package != "candleray":
        return package
    room = rest.partition(".")[0]
    return room if room and (ROOT / package / room).is_dir() else "words"


def imported_by(source: Path) -> set[str]:
    nodes = list(ast.walk(ast.parse(source.read_text())))
    plain = {name.name for node in nodes if isinstance(node, ast.Import) for name in node.names}
    from_modules = [node for node in nodes if isinstance(node, ast.ImportFrom) and node.module]
    return plain | {f"{node.module}.{name.name}" for node in from_modules for name in node.names}


def test_the_picture_of_the_architecture_allows_every_import():
    drawn, undrawn = drawn_imports(), []
    for source in [source for source in SOURCES if source not in ENTRANCES]:
        here = room_of(".".join(source.relative_to(ROOT).with_suffix("").parts))
        for module in sorted(imported_by(source)):
            there = room_of(module)
            if module.startswith(PACKAGES) and there not in (here, "words") and (here, there) not in drawn:
                undrawn.append(f"{source.relative_to(ROOT)} imports {module}")
    assert undrawn == []


@pytest.mark.parametrize("source", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_reader_can_hold_a_file_and_a_function(source: Path):
    text = source.read_text()
    assert text.count("\n") <= 500, f"{source} is longer than 500 lines"
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            assert node.end_lineno is not None
            length = node.end_lineno - node.lineno + 1
            assert length <= 70, f"{source}: {node.name} has {length} lines"
    assert len(source.relative_to(ROOT).parts) <= 4
