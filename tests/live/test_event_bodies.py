"""Bodies of events: right although nobody checks them, and worded in one place."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest
from pydantic import TypeAdapter

from candleray.live.event_bodies import annulled_of, entry_of, exit_of, gap_of, signal_change
from candleray.live.events import EventBody
from candleray.settings import ROOT
from candleray.timeframes import MINUTE_MS
from kernels.live.trade_events import TRADE_EVENT
from kernels.simulation.exits import EXIT_REASONS
from kernels.simulation.trades import TRADE


def _record(dtype: np.dtype[np.void], side: int, reason: int) -> dict[str, Any]:
    record = np.zeros(1, dtype)[0]
    for place, name in enumerate(TRADE.names or ()):
        record[name] = place + 0.25
    record["side"], record["exit_reason"] = side, reason
    return dict(zip(dtype.names or (), record.item(), strict=True))


@pytest.mark.parametrize("dtype", [TRADE, TRADE_EVENT], ids=["of the batch", "of a runner"])
@pytest.mark.parametrize("side", [1, -1])
def test_bodies_of_both_courses_are_what_their_models_take(dtype: np.dtype[np.void], side: int) -> None:
    adapter: TypeAdapter[EventBody] = TypeAdapter(EventBody)
    for reason in range(len(EXIT_REASONS)):
        trade = _record(dtype, side, reason)
        bodies = entry_of(trade, 10_000.0), exit_of(trade, MINUTE_MS), annulled_of(trade, 10_000.0)
        for body in (*bodies, gap_of(0, 3 * MINUTE_MS), signal_change(side, 0, 1.5), signal_change(0, -side, 1.5)):
            assert adapter.validate_python(body.model_dump()) == body
            assert adapter.validate_json(body.model_dump_json(), strict=False) == body


def test_a_body_of_a_bar_is_worded_in_one_place() -> None:
    makes = re.compile(r"\b(SignalChange|Entry|Exit|Annulled|Gap)(\.model_construct|\.of_fields)?\((?!Model)")
    sources = (ROOT / "candleray" / "live").rglob("*.py")
    assert [path.name for path in sources if makes.search(path.read_text())] == ["event_bodies.py"]
