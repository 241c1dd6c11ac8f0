"""`candleray counts`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from candleray.terminal.console import output, print_json
from candleray.terminal.options import ApiUrl, AsJson, DataDir, connect
from candleray.terminal.tables import print_table

if TYPE_CHECKING:
    from candleray.market_data.coverage import RowCounts


def counts(as_json: AsJson = False, api: ApiUrl = None, data: DataDir = None) -> None:
    """Count the rows of each instrument in the raw tables and in canonical.

    Raw keeps every version of a minute, so it has as many rows or more; fewer in canonical than minutes in raw
    means that a view failed, which the next start repairs.

    Example: candleray counts
    """
    with connect(api, data) as client:
        found = client.counts()
    if as_json:
        print_json(found)
    else:
        _print_counts(found)


def _print_counts(counts: Sequence[RowCounts]) -> None:
    rows = [(row.market.name, row.symbol, f"{row.raw:,}", f"{row.canonical:,}") for row in counts]
    names = ("market", "symbol", "rows in raw", "candles in canonical")
    print_table(output(), names, rows, text=names[:2])
