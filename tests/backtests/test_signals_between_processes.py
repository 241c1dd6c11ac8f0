"""Signals in a process that did not validate them: they are pickled there, and no model is built yet."""

from __future__ import annotations

import base64
import json
import pickle
import subprocess
import sys

from candleray.backtests.request import BacktestRequest
from candleray.settings import ROOT

REQUEST = {
    "instrument": {"market_id": 1, "symbol": "BTCUSDT"},
    "timeframe": "1h",
    "time_range": {"start": "2025-01-01T00:00:00Z", "end": "2025-02-01T00:00:00Z"},
    "let": {"fast": {"id": "ema", "params": {"window": {"values": [5, 10]}}}},
    "signals": {"long_entry": {"not": {"above": ["fast", {"price": "close"}]}}},
}
SCRIPT = """
import base64, pickle, sys
request = pickle.loads(base64.b64decode(sys.argv[1]))
print(request.model_dump_json(exclude_unset=True))
"""


def test_a_request_is_written_the_same_where_it_was_only_unpickled():
    request = BacktestRequest.model_validate(REQUEST)
    sent = base64.b64encode(pickle.dumps(request)).decode()
    run = subprocess.run(
        [sys.executable, "-c", SCRIPT, sent], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stderr
    assert json.loads(run.stdout) == REQUEST
