"""Rows of a candle file, whatever instrument it is of."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from candleray.candles import CandleRows
from candleray.market_data.files.candle_files import open_candle_file
from candleray.markets import Instrument

BITCOIN = Instrument(market_id=1, symbol="BTCUSDT")


def rows_in(path: Path, instrument: Instrument = BITCOIN) -> Iterator[CandleRows]:
    """Yield the batches that would be inserted."""
    with open_candle_file(path, instrument) as file:
        for batch in file.batches():
            yield batch.rows
