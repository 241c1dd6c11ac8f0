"""Reports of one variant by the SDK: its numbers, its equity, its trades."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from candleray.backtests.request import BacktestRequest
from candleray.backtests.robustness import Robustness
from candleray.backtests.variant_report import VariantReport
from candleray.sdk.connection import Sender, read
from candleray.sdk.references import request_body

if TYPE_CHECKING:
    import pandas as pd

AnyRequest = BacktestRequest | Mapping[str, Any] | bytes


class ReportMethods(Sender):
    """One variant at a time, at once: no job is waited for."""

    def report(self, request: AnyRequest, variant_index: int = 0) -> VariantReport:
        """One variant in full: its metrics and its returns by month.

        Args:
            request: a search, or one strategy over a range such as a variant's `strategy`.
            variant_index: which of a search's variants, ranked or not.

        Raises:
            InvalidInput: one problem a field; the request has no variant of that number.

        >>> best = client.backtest(request).top[0]
        >>> client.report(best.strategy).metrics == best.metrics
        True
        >>> client.report(request, best.variant_index).months[0].month
        '2025-01'
        """
        return read(VariantReport, self._report("", request, variant_index))

    def report_curve(self, request: AnyRequest, variant_index: int = 0, points: int = 1500) -> pd.DataFrame:
        """The equity of one variant in so many buckets of bars at most, which keep every extreme.

        Columns: `low`, `high`, `last`, `drawdown_pct`, and the market's `close`; the index is the close of each
        bucket's last bar.

        >>> curve = client.report_curve(request, points=10)
        >>> len(curve), bool((curve.drawdown_pct <= 0).all())
        (10, True)
        """
        frame = _frame(self._report("/curve", request, variant_index, points=points), ["ts_ms"])
        indexed: pd.DataFrame = frame.set_index("ts")
        return indexed

    def report_trades(self, request: AnyRequest, variant_index: int = 0) -> pd.DataFrame:
        """Every trade of one variant: when, which side (1 or -1), at which fills, its profit, ended by what.

        >>> best = client.backtest(request).top[0]
        >>> len(client.report_trades(best.strategy)) == best.metrics["Num. Trades"]
        True
        """
        return _frame(self._report("/trades", request, variant_index), ["entry_ms", "exit_ms"])

    def robustness(
        self,
        request: AnyRequest,
        variant_index: int = 0,
        checks: Sequence[str] = (),
        *,
        seed: int = 0,
        draws: int = 1000,
        noise_draws: int = 20,
        skipped_pct: float = 10,
        noise_pct: float = 10,
    ) -> Robustness:
        """Run one strategy beside itself with one thing otherwise: costs, delays, parameters, years, chance.

        Args:
            request: a search, one strategy over a range, or `{"strategy_id": …, "time_range": …}`.
            variant_index: which of a search's variants.
            checks: names of `Check`; all where none is given.
            seed: of what is drawn at random.
            draws: of trades that are left out, each with a chance of `skipped_pct`.
            noise_draws: of candles each price of which is moved by up to `noise_pct` of a bar's median height.

        Raises:
            InvalidInput: one problem a field; the request has no variant of that number.
            GuardExceeded: the range or the cases are too many for one answer.

        >>> checked = client.robustness(request, checks=["costs", "delay"])
        >>> [case.name for case in checked.cases[:3]]
        ['fees and slippage × 2', 'fees and slippage × 3', 'fees and slippage × 4']
        >>> checked.summary[0].startswith("Worst of 6 cases: ")
        True
        """
        query: dict[str, str | int | list[str] | None] = {
            "variant_index": variant_index,
            "check": list(checks),
            "seed": seed,
            "draws": draws,
            "noise_draws": noise_draws,
            "skipped_pct": str(skipped_pct),
            "noise_pct": str(noise_pct),
        }
        body = request_body(self, request)
        return read(Robustness, self.send("POST", "/backtests/robustness", content=body, params=query))

    def _report(self, below: str, request: AnyRequest, variant_index: int, **query: Any) -> bytes:
        params = {"variant_index": variant_index, **query}
        return self.send("POST", f"/backtests/report{below}", content=request_body(self, request), params=params)


def _frame(stream: bytes, times: list[str]) -> pd.DataFrame:
    """A stream's rows, with times of whole milliseconds as timestamps in UTC, named without their unit."""
    import pandas as pd
    import pyarrow as pa

    frame: pd.DataFrame = pa.ipc.open_stream(stream).read_all().to_pandas()
    for name in times:
        frame[name] = pd.to_datetime(frame[name], unit="ms", utc=True)
    named: pd.DataFrame = frame.rename(columns={name: name.removesuffix("_ms") for name in times})
    return named
