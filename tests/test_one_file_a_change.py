"""One file a change, as the map of CONTRIBUTING says: each example is tried in a copy of the sources.

Beside these: an indicator and a family of rules (tests/kernels), a market (tests/market_data), a sizing, a metric
and a pruning limit (tests/backtests), a route (tests/api/test_openapi.py).
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.house_copy import change, changed_files, copy_house, run_in


def add_command(house: Path) -> None:
    source = (house / "candleray/commands/whoami.py").read_text()
    (house / "candleray/commands/novel.py").write_text(source.replace("def whoami(", "def novel("))


def add_exchange(house: Path) -> None:
    source = (house / "candleray/exchanges/binance.py").read_text()
    (house / "candleray/exchanges/novel.py").write_text(source.replace('NAME = "binance"', 'NAME = "novel"'))


def add_error(house: Path) -> None:
    error = 'class Novel(CandlerayError):\n    """A thing is new."""\n\n    status, code = 418, "novel"\n\n\n'
    change(house / "candleray/errors.py", "class ApiError(", error + "class ApiError(")


def add_setting(house: Path) -> None:
    path = house / "candleray/settings.py"
    section = "class JobSettings(_Section):\n"
    text = path.read_text()
    after = text.index('"""\n', text.index(section)) + 4
    path.write_text(f'{text[:after]}\n    novel: int = Field(1, ge=1, description="a new one")\n{text[after:]}')


EXAMPLES: dict[str, tuple[Callable[[Path], None], str, list[str]]] = {
    "candleray/commands/novel.py": (add_command, "", ["-m", "candleray", "novel", "--help"]),
    "candleray/exchanges/novel.py": (
        add_exchange,
        "from candleray.exchanges.discovery import EXCHANGES; print(sorted(EXCHANGES))",
        [],
    ),
    "candleray/errors.py": (
        add_error,
        "import candleray; from candleray.errors import error_classes; "
        "print(candleray.Novel('x').payload(), error_classes()['novel'].status)",
        [],
    ),
    "candleray/settings.py": (
        add_setting,
        "from candleray.settings import Settings; print('novel', Settings(jobs={'novel': 3}).jobs.novel)",
        [],
    ),
}


@pytest.mark.parametrize("file", EXAMPLES)
def test_one_changed_file_is_enough(file: str, tmp_path: Path):
    add, code, arguments = EXAMPLES[file]
    house = copy_house(tmp_path / "house", "candleray")
    add(house)
    assert changed_files(house) == [file], json.dumps(changed_files(house))
    assert "novel" in run_in(house, *(arguments or ["-c", code])).lower()
