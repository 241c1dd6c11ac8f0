"""The order of the suite on three processes: the longest files first, so that none ends alone."""

from __future__ import annotations

ONE_INSTANCE = "tests/end_to_end/one_instance/"
"""Its tests share an instance: they run on one process, and first, because they take longest."""

LONGEST_FIRST = (
    ONE_INSTANCE,
    "tests/cluster/test_supervisor.py",
    "tests/end_to_end/test_same_bytes.py",
    "tests/end_to_end/test_story.py",
    "tests/feeds/test_killed_ingestion.py",
    "tests/feeds/test_market_feed_actor.py",
    "tests/market_data/test_clickhouse_http.py",
    "tests/kernels/test_new_indicator.py",
    "tests/market_data/test_candle_store.py",
    "tests/market_data/test_candle_store_actor.py",
    "tests/cluster/test_embedded_services.py",
    "tests/search/test_rank_by.py",
    "tests/cluster/test_search.py",
    "tests/feeds/ingestion/test_store_and_stream.py",
    "tests/feeds/ingestion/test_socket_faults.py",
    "tests/live/runners/test_killed_runners.py",
    "tests/notify/test_telegram_actor.py",
    "tests/feeds/ingestion/test_holes_and_scans.py",
)
"""Files that take more than 17 s on a quiet machine with compiled kernels, by `--durations=0`."""


def group_of(nodeid: str) -> str:
    """The tests that a test shares a process with: those of its file, or of the room of the one instance."""
    return ONE_INSTANCE if nodeid.startswith(ONE_INSTANCE) else nodeid.partition("::")[0]


def rank(nodeid: str) -> int:
    """Its file's place in the order; all that take less follow as they were found."""
    group = group_of(nodeid)
    return LONGEST_FIRST.index(group) if group in LONGEST_FIRST else len(LONGEST_FIRST)
