"""The files of configs/monitoring: valid, each alert fires and is quiet as written, all metrics exist."""

from __future__ import annotations

import ast
import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from candleray.settings import ROOT
from cluster.monitoring.targets import API, CHECKS, NODE, PROXY
from tests.support.instances.monitoring_tools import tool

HERE = Path(__file__).parent
FILES = ROOT / "configs" / "monitoring"
RULES = FILES / "rules" / "alerts.yml"
DASHBOARDS = sorted((FILES / "grafana" / "dashboards").glob("*.json"))
ALERTS = {rule["alert"]: rule for group in yaml.safe_load(RULES.read_text())["groups"] for rule in group["rules"]}
CASES = yaml.safe_load((HERE / "alert_cases.yml").read_text())
SUFFIXES = {"Counter": ("_total",), "Gauge": ("",), "Histogram": ("_bucket", "_count", "_sum")}
OF_TARGETS = {"job", "instance", "part", "check"}
FOREIGN = {"up": OF_TARGETS, "probe_success": OF_TARGETS, "probe_duration_seconds": OF_TARGETS}
WORDS_OF_THE_LANGUAGE = re.compile(r"\b(?:by|on|without|ignoring)\s*\(([^)]*)\)")


def checked(*command: object) -> str:
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def test_prometheus_takes_its_configuration_and_the_rules() -> None:
    said = checked(tool("promtool"), "check", "config", FILES / "prometheus.yml")
    assert f"{len(ALERTS)} rules found" in said


def test_alertmanager_and_blackbox_take_theirs() -> None:
    checked(tool("amtool"), "check-config", FILES / "alertmanager.yml")
    checked(tool("prometheus-blackbox-exporter"), "--config.check", "--config.file", FILES / "blackbox.yml")


def test_every_alert_has_a_case_a_severity_and_a_page_that_says_what_to_do() -> None:
    assert [case["alert"] for case in CASES] == list(ALERTS)
    for name, rule in ALERTS.items():
        assert rule["labels"]["severity"] in ("page", "ticket"), name
        assert (ROOT / rule["annotations"]["runbook"]).exists(), name


def unit_test(case: dict[str, Any], course: str) -> dict[str, Any]:
    said = {"summary": case["summary"], "runbook": ALERTS[case["alert"]]["annotations"]["runbook"]}
    fired = [{"exp_labels": case["labels"], "exp_annotations": said}] if course == "fires" else []
    return {
        "name": f"{case['alert']} {course}",
        "interval": "15s",
        "input_series": [{"series": name, "values": values} for name, values in case[course].items()],
        "alert_rule_test": [{"eval_time": case["at"], "alertname": case["alert"], "exp_alerts": fired}],
    }


def test_each_alert_fires_with_its_words_and_is_quiet(tmp_path: Path) -> None:
    tests = [unit_test(case, course) for case in CASES for course in ("fires", "quiet")]
    written = tmp_path / "tests.yml"
    content = {"rule_files": [str(RULES)], "evaluation_interval": "15s", "tests": tests}
    written.write_text(yaml.safe_dump(content))
    checked(tool("promtool"), "test", "rules", written)


def declared_metrics() -> Iterator[tuple[str, set[str]]]:
    """Yield each metric under the names that Prometheus sees, with the labels of its declaration."""
    for top in ("actors", "serve_apps"):
        for source in (ROOT / top).rglob("*.py"):
            tree = ast.parse(source.read_text())
            named = {
                target.id: node.value
                for node in ast.walk(tree)
                if isinstance(node, ast.Assign)
                for target in node.targets
                if isinstance(target, ast.Name)
            }
            for call in (node for node in ast.walk(tree) if isinstance(node, ast.Call)):
                kind = getattr(call.func, "attr", getattr(call.func, "id", ""))
                first = call.args[0] if call.args else None
                if not isinstance(first, ast.Constant):
                    continue
                if kind in ("Counter", "Gauge", "Histogram"):
                    labels = _texts(call.args[2:], named) | {
                        text for word in call.keywords for text in _texts([word.value], named)
                    }
                    prefix = "ray_" if top == "actors" else ""
                elif kind in ("_counter", "_histogram"):  # of the API's replicas
                    labels, prefix = _texts(call.args[2:], named) | {"replica"}, "candleray_"
                    kind = kind[1:].capitalize()
                else:
                    continue
                for suffix in SUFFIXES[kind]:
                    yield f"{prefix}{first.value}{suffix}", labels | ({"le"} if suffix == "_bucket" else set())


def _texts(nodes: list[ast.expr], named: dict[str, ast.expr]) -> set[str]:
    known = [named.get(node.id, node) if isinstance(node, ast.Name) else node for node in nodes]
    return {
        part.value
        for node in known
        for part in ast.walk(node)
        if isinstance(part, ast.Constant) and isinstance(part.value, str)
    }


METRICS = {**dict(declared_metrics()), **FOREIGN}


def expressions() -> Iterator[tuple[str, str]]:
    for name, rule in ALERTS.items():
        yield name, rule["expr"]
    for file in DASHBOARDS:
        for panel in json.loads(file.read_text())["panels"]:
            for target in panel.get("targets", ()):
                yield f"{file.stem}: {panel['title']}", target["expr"]


def test_every_expression_is_one_that_prometheus_takes(tmp_path: Path) -> None:
    written = tmp_path / "expressions.yml"
    rules = [{"record": f"of:{at}", "expr": expression} for at, (_, expression) in enumerate(expressions())]
    written.write_text(yaml.safe_dump({"groups": [{"name": "all", "rules": rules}]}))
    checked(tool("promtool"), "check", "rules", written)


def unknown_in(expression: str) -> set[str]:
    """Metrics that nobody exports, and labels that none of the expression's metrics has."""
    bare = re.sub(r'"[^"]*"', '""', expression)
    used = re.findall(r"\b((?:ray_)?candleray_\w+|probe_\w+|up)\b", bare)
    unknown = {name for name in used if name not in METRICS}
    for name, matchers in re.findall(r"\b(\w+)\{([^}]*)\}", bare):
        unknown |= {f"{name}: {label}" for label in re.findall(r"(\w+)\s*[=!]", matchers)} - {
            f"{name}: {label}" for label in METRICS.get(name, set()) | OF_TARGETS
        }
    known = set().union(*(METRICS.get(name, set()) for name in used), OF_TARGETS)
    grouped = {label.strip() for labels in WORDS_OF_THE_LANGUAGE.findall(bare) for label in labels.split(",")}
    return unknown | (grouped - known - {""})


@pytest.mark.parametrize(("where", "expression"), list(expressions()))
def test_every_metric_and_label_is_one_that_the_code_exports(where: str, expression: str) -> None:
    assert unknown_in(expression) == set()


@pytest.mark.parametrize(
    "expression",
    [
        "ray_candleray_shard_lags",
        'ray_candleray_shard_runs{stat="running"}',
        "sum by (market) (ray_candleray_shard_bars)",
    ],
)
def test_a_metric_or_label_that_nobody_exports_is_found(expression: str) -> None:
    assert unknown_in(expression)


def test_the_rules_ask_for_parts_and_checks_that_the_targets_have() -> None:
    text = RULES.read_text()
    assert set(re.findall(r'part="(\w+)"', text)) <= {NODE, PROXY, API}
    assert set(re.findall(r'check="(\w+)"', text)) == set(CHECKS)
    assert set(CHECKS.values()) == set(yaml.safe_load((FILES / "blackbox.yml").read_text())["modules"])


@pytest.mark.parametrize("file", DASHBOARDS, ids=lambda file: file.stem)
def test_a_dashboard_has_one_place_for_each_panel_and_an_id_of_its_own(file: Path) -> None:
    board = json.loads(file.read_text())
    assert board["uid"] == f"candleray-{file.stem}"
    ids = [panel["id"] for panel in board["panels"]]
    assert len(ids) == len(set(ids))
    cells = [
        (x, y)
        for place in (panel["gridPos"] for panel in board["panels"])
        for x in range(place["x"], place["x"] + place["w"])
        for y in range(place["y"], place["y"] + place["h"])
    ]
    assert len(cells) == len(set(cells)), "panels overlap"
    assert all(x < 24 for x, _ in cells)
