"""The venues: one file each, discovered."""

from candleray.exchanges.discovery import EXCHANGES
from candleray.exchanges.exchange import Exchange

__all__ = ["EXCHANGES", "Exchange"]
