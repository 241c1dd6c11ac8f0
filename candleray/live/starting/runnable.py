"""The rules of trading that the account of a run follows."""

from __future__ import annotations

from candleray.errors import invalid
from candleray.strategies.strategy import StrategySpec

LEVELS = ("sl_pct", "tp_pct")
"""The levels that it looks at."""


def require_runnable(spec: StrategySpec) -> None:
    """
    Raises:
        InvalidInput: the account of a run would not be that of the backtest.
    """
    if not spec.fill.is_usual:
        told = f"entry {spec.fill.entry}, stops {spec.fill.stops}"
        message = f"fill is {told}, and the account of a run fills at closes: run a copy without fill"
        raise invalid("fill", "not_at_closes", message)
    if spec.sizing.parts_field:
        mode = getattr(spec.sizing, "mode", "")
        message = f"the account of a run knows no sizing {mode} yet: run a copy with all_in or fixed_quote"
        raise invalid("sizing", "not_sized_live", message)
    others = [name for name in spec.risk.axes if name not in LEVELS]
    if others:
        message = (
            f"{', '.join(others)}: a run looks at {' and '.join(LEVELS)} alone, and would hold positions that the "
            "backtest closes: run a copy without them"
        )
        raise invalid(f"risk.{others[0]}", "not_looked_at", message)
