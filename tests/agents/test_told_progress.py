"""Progress grows with every message, as the protocol has it, and says nothing twice in a row without a pause."""

from __future__ import annotations

import asyncio

from candleray.agents.protocol.told_progress import Progress


async def test_progress_grows_with_every_message_and_repeats_itself_seldom():
    told: list[tuple[float, str | None]] = []
    now = [0.0]

    async def report(done: float, total: float | None, words: str | None) -> None:
        told.append((done, words))

    progress = Progress(report, lambda: now[0])
    for at, done, words in (
        (0, 0, "queued"),
        (1, 0, "queued"),
        (2, 0, "running"),
        (3, 7, "running"),
        (4, 5, "again from a checkpoint"),
        (5, 5, "again from a checkpoint"),
        (10, 5, "again from a checkpoint"),
        (11, 9, "done"),
    ):
        now[0] = at
        progress.tell(done, 9, words)
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    shown = [done for done, _ in told]
    assert shown == sorted(set(shown))
    assert [round(done, 2) for done in shown] == [0, 0, 7, 7, 7, 9]
    assert [words for _, words in told][3:] == ["again from a checkpoint"] * 2 + ["done"]
