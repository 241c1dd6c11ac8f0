"""Candleray: exact searches over trading strategies on one-minute candles.

Here are the client, every class that its methods take or return, and every error.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from candleray.backtests.chance.null_model import NullModel as NullModel
    from candleray.backtests.explanation import Explanation as Explanation
    from candleray.backtests.preflight import Preflight as Preflight
    from candleray.backtests.request import BacktestRequest as BacktestRequest
    from candleray.backtests.result import BacktestResult as BacktestResult
    from candleray.backtests.result import RankedVariant as RankedVariant
    from candleray.backtests.robustness import Robustness as Robustness
    from candleray.backtests.variant_report import VariantReport as VariantReport
    from candleray.candles import CandleRows as CandleRows
    from candleray.errors import *  # noqa: F403
    from candleray.feeds.feed_state import FeedState as FeedState
    from candleray.feeds.subscriptions import Subscription as Subscription
    from candleray.feeds.subscriptions import SubscriptionRequest as SubscriptionRequest
    from candleray.feeds.subscriptions import SubscriptionsReport as SubscriptionsReport
    from candleray.holdouts.holdout import Holdout as Holdout
    from candleray.identity.models import CodeAccepted as CodeAccepted
    from candleray.identity.models import ExchangeKey as ExchangeKey
    from candleray.identity.models import Me as Me
    from candleray.identity.models import MiniAppLogin as MiniAppLogin
    from candleray.identity.models import NewToken as NewToken
    from candleray.identity.models import RecoveryCodes as RecoveryCodes
    from candleray.identity.models import SecondFactorSetup as SecondFactorSetup
    from candleray.identity.models import SecondFactorState as SecondFactorState
    from candleray.identity.models import TokenInfo as TokenInfo
    from candleray.identity.models import TokenRequest as TokenRequest
    from candleray.identity.models import WidgetLogin as WidgetLogin
    from candleray.indicators.info import IndicatorInfo as IndicatorInfo
    from candleray.indicators.series import IndicatorSeries as IndicatorSeries
    from candleray.indicators.series import SeriesRequest as SeriesRequest
    from candleray.jobs.job import BestVariant as BestVariant
    from candleray.jobs.job import Job as Job
    from candleray.jobs.job import JobDetail as JobDetail
    from candleray.jobs.job import JobTop as JobTop
    from candleray.live.certificates.certificate import Certificate as Certificate
    from candleray.live.certificates.verification import Verification as Verification
    from candleray.live.events import StrategyEvent as StrategyEvent
    from candleray.live.order_records import OrderPage as OrderPage
    from candleray.live.order_records import RunFill as RunFill
    from candleray.live.order_records import RunHalt as RunHalt
    from candleray.live.records import EquityCurve as EquityCurve
    from candleray.live.records import EquityPage as EquityPage
    from candleray.live.records import RunSignal as RunSignal
    from candleray.live.records import RunTrade as RunTrade
    from candleray.live.run import Run as Run
    from candleray.live.run import StartedRun as StartedRun
    from candleray.live.run_history import RunHistory as RunHistory
    from candleray.live.standing import RunStanding as RunStanding
    from candleray.market_data.backfill_report import BackfillReport as BackfillReport
    from candleray.market_data.coverage import Coverage as Coverage
    from candleray.market_data.coverage import MissingRun as MissingRun
    from candleray.market_data.coverage import RowCounts as RowCounts
    from candleray.market_data.insert_report import InsertReport as InsertReport
    from candleray.market_data.instruments.changes import InstrumentChange as InstrumentChange
    from candleray.market_data.instruments.changes import ListingReport as ListingReport
    from candleray.market_data.ledger.versions import CandleVersion as CandleVersion
    from candleray.market_data.pages import InstrumentsReport as InstrumentsReport
    from candleray.markets import InstrumentReference as InstrumentReference
    from candleray.markets import Market as Market
    from candleray.notify.chats import TelegramChat as TelegramChat
    from candleray.notify.chats import TelegramLink as TelegramLink
    from candleray.notify.policies import NotificationPolicy as NotificationPolicy
    from candleray.portfolio.portfolio_request import PortfolioRequest as PortfolioRequest
    from candleray.portfolio.portfolio_request import SuggestionRequest as SuggestionRequest
    from candleray.portfolio.portfolio_result import PortfolioResult as PortfolioResult
    from candleray.portfolio.portfolio_result import Suggestion as Suggestion
    from candleray.sdk.client import Client as Client
    from candleray.sdk.jobs import ListedJob as ListedJob
    from candleray.sdk.jobs import SubmittedJob as SubmittedJob
    from candleray.strategies.strategy import Strategy as Strategy
    from candleray.strategies.strategy import StrategySpec as StrategySpec
    from candleray.trials.trial import Trial as Trial

    __version__: str

_HOMES = {
    "candleray.backtests.explanation": ("Explanation",),
    "candleray.backtests.chance.null_model": ("NullModel",),
    "candleray.backtests.preflight": ("Preflight",),
    "candleray.backtests.request": ("BacktestRequest",),
    "candleray.backtests.result": ("BacktestResult", "RankedVariant"),
    "candleray.backtests.robustness": ("Robustness",),
    "candleray.backtests.variant_report": ("VariantReport",),
    "candleray.candles": ("CandleRows",),
    "candleray.holdouts.holdout": ("Holdout",),
    "candleray.identity.models": (
        "CodeAccepted",
        "ExchangeKey",
        "Me",
        "MiniAppLogin",
        "NewToken",
        "RecoveryCodes",
        "SecondFactorSetup",
        "SecondFactorState",
        "TokenInfo",
        "TokenRequest",
        "WidgetLogin",
    ),
    "candleray.feeds.subscriptions": ("Subscription", "SubscriptionRequest", "SubscriptionsReport"),
    "candleray.indicators.info": ("IndicatorInfo",),
    "candleray.indicators.series": ("IndicatorSeries", "SeriesRequest"),
    "candleray.feeds.feed_state": ("FeedState",),
    "candleray.jobs.job": ("BestVariant", "Job", "JobDetail", "JobTop"),
    "candleray.live.events": ("StrategyEvent",),
    "candleray.live.order_records": ("OrderPage", "RunFill", "RunHalt"),
    "candleray.live.records": ("EquityCurve", "EquityPage", "RunSignal", "RunTrade"),
    "candleray.live.run": ("Run", "StartedRun"),
    "candleray.live.run_history": ("RunHistory",),
    "candleray.live.certificates.certificate": ("Certificate",),
    "candleray.live.certificates.verification": ("Verification",),
    "candleray.live.standing": ("RunStanding",),
    "candleray.market_data.backfill_report": ("BackfillReport",),
    "candleray.market_data.coverage": ("Coverage", "MissingRun", "RowCounts"),
    "candleray.market_data.insert_report": ("InsertReport",),
    "candleray.market_data.instruments.changes": ("InstrumentChange", "ListingReport"),
    "candleray.market_data.ledger.versions": ("CandleVersion",),
    "candleray.market_data.pages": ("InstrumentsReport",),
    "candleray.markets": ("InstrumentReference", "Market"),
    "candleray.notify.chats": ("TelegramChat", "TelegramLink"),
    "candleray.notify.policies": ("NotificationPolicy",),
    "candleray.portfolio.portfolio_request": ("PortfolioRequest", "SuggestionRequest"),
    "candleray.portfolio.portfolio_result": ("PortfolioResult", "Suggestion"),
    "candleray.sdk.client": ("Client",),
    "candleray.sdk.jobs": ("ListedJob", "SubmittedJob"),
    "candleray.strategies.strategy": ("Strategy", "StrategySpec"),
    "candleray.trials.trial": ("Trial",),
}
"""Exported names beside the errors, by module. The imports above are for type checkers; a test compares both."""


def __getattr__(name: str) -> Any:
    # Loaded when first asked for: `import candleray` stays light for whoever needs one module of it.
    if name == "__version__":
        return import_module("importlib.metadata").version("candleray")
    for module, names in _HOMES.items():
        if name in names:
            return getattr(import_module(module), name)
    errors = import_module("candleray.errors")
    exported = {cls.__name__: cls for cls in errors.error_classes().values()} | {"Problem": errors.Problem}
    if name == "__all__":
        return sorted({*exported, *(name for names in _HOMES.values() for name in names), "__version__"})
    if name in exported:
        return exported[name]
    raise AttributeError(f"module 'candleray' has no attribute {name!r}")


def __dir__() -> list[str]:
    names: list[str] = __getattr__("__all__")
    return names
