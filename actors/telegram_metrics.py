"""Metrics of messages by Telegram, exported by Ray on the node's metrics port."""

from __future__ import annotations

from ray.util.metrics import Gauge

from candleray.notify.notifier import NotifierState


class TelegramMetrics:
    """Gauges alone: what is counted begins again with the process."""

    def __init__(self) -> None:
        self._sent = Gauge("candleray_telegram_sent", "Events that were told.")
        self._again = Gauge("candleray_telegram_sent_again", "Events sent again, as no answer had come.")
        self._dropped = Gauge("candleray_telegram_dropped", "Events whose message Telegram does not take.")
        self._conflicts = Gauge("candleray_telegram_conflicts", "Times that another program polled the bot.")
        self._troubles = Gauge("candleray_telegram_troubles", "Answers that were no success.", ("kind",))
        self._waiting = Gauge("candleray_telegram_waiting", "Events that wait to be told.")
        self._oldest = Gauge("candleray_telegram_oldest_seconds", "Time for which the oldest of them waits.")
        self._left_out = Gauge(
            "candleray_telegram_left_out", "Events that too many others waited behind: their number alone is told."
        )
        self._well = Gauge("candleray_telegram_reads", "1 where the bot reads what people write, else 0.")

    def observe(self, state: NotifierState) -> None:
        self._sent.set(state.sent)
        self._again.set(state.sent_again)
        self._dropped.set(state.dropped)
        self._conflicts.set(state.conflicts)
        for kind, count in state.troubles.items():
            self._troubles.set(count, {"kind": kind})
        self._waiting.set(state.outbox.waiting)
        self._oldest.set(state.outbox.oldest_s)
        self._left_out.set(state.outbox.left_out)
        self._well.set(float(state.is_well))
