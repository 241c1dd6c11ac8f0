"""`candleray counts`."""

from __future__ import annotations

import sys

from candleray.terminal.options import ApiUrl, AsJson, DataDir, connect


def counts(as_json: AsJson = False, api: ApiUrl = None, data: DataDir = None) -> None:
    """Count the rows of each instrument in the raw tables and in canonical.

    Raw keeps every version of a minute, so it has as many rows or more; fewer in canonical than minutes in raw
    means that a view failed, which the next start repairs.

    Example: candleray counts
    """
    from candleray.market_data.coverage import RowCounts
    from candleray.sdk.client import read
    from candleray.terminal.console import output
    from candleray.terminal.tables import print_counts

    with connect(api, data) as client:
        answer = client.send("GET", "/market-data/counts")
    if as_json:
        sys.stdout.buffer.write(answer)
    else:
        print_counts(output(), read(list[RowCounts], answer))
