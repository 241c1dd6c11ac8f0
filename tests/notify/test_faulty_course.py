"""Every event is told, hardly one twice, whatever Telegram answers and whenever the notifier is killed.

`python -m tests.bench.live.notifier` does it with 1,000 events.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from candleray.databases.postgres import Postgres
from candleray.settings import TelegramSettings
from tests.support.telegram.faulty_course import FaultyCourse

FAST = TelegramSettings(look_s=0.05, poll_s=1, chat_pause_s=0.05, max_messages_per_s=30, longest_retry_s=0.5)


async def test_all_events_are_told_through_faults_and_kills(postgres: Postgres, postgres_url: str, tmp_path: Path):
    pytest.importorskip("aiogram", reason="the extra 'notify' (aiogram) is not installed")
    outcome = await FaultyCourse(postgres, postgres_url, tmp_path, 150, 8, 2, FAST).run()
    assert outcome.lost == 0
    assert outcome.twice <= 0.02 * outcome.events
    assert (outcome.astray, outcome.overwritten, outcome.leaks) == (0, 0, 0)
    assert all(outcome.faults.values())
