"""Structured logs: one JSON object a line on standard error, for every process and every library in it.

`configure_logs` is called once where a process begins. `get_logger(name)` gives a structlog logger whose events
carry what is bound to the context, such as the request's id.
"""

from __future__ import annotations

import logging
import re
import sys
from typing import Any, TextIO

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

_CREDENTIALS = re.compile(r"(?<=://)[^/\s]+@")
_BOT_TOKEN = re.compile(r"\b(bot)?[0-9]{5,}(?::|%3A)[A-Za-z0-9_-]{25,}")
"""The token of a Telegram bot, which stands in the path of every request: `/bot<digits>:<letters>/sendMessage`."""
_HANDLER = "candleray"


def mask_credentials(text: str) -> str:
    """`postgresql://user:password@host` as `postgresql://***@host`, `/bot<token>/` as `/bot***/`."""
    return _BOT_TOKEN.sub(r"\1***", _CREDENTIALS.sub("***@", text))


def configure_logs(level: str = "INFO", stream: TextIO | None = None) -> None:
    """Send every event of this process as a JSON line to `stream`; calling again replaces the former set-up.

    Our own loggers speak from `level` on, those of libraries from WARNING on. The stream defaults to the process's
    first standard error: Serve replaces `sys.stderr` in its replicas by a slow one that wraps each line again.
    """
    handler = logging.StreamHandler(stream or sys.__stderr__)
    handler.set_name(_HANDLER)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=_shared_processors(),
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.format_exc_info,
                _mask_event,
                structlog.processors.JSONRenderer(default=repr),
                _mask_line,
            ],
        )
    )
    root = logging.getLogger()
    for old in [one for one in root.handlers if one.get_name() == _HANDLER]:
        root.removeHandler(old)
    root.addHandler(handler)
    root.setLevel(max(logging.WARNING, logging.getLevelName(level)))
    logging.getLogger("candleray").setLevel(level)
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *_shared_processors(),
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )


def get_logger(name: str) -> Any:
    """A logger under `candleray`, so that the configured level applies to it: `get_logger("api")`."""
    return structlog.get_logger(f"candleray.{name}")


def _shared_processors() -> list[Processor]:
    return [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.stdlib.PositionalArgumentsFormatter(),
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]


def _mask_event(logger: WrappedLogger, method: str, event: EventDict) -> EventDict:
    """The last guard: a driver's message or a traceback may quote a whole URL."""
    return {key: mask_credentials(value) if isinstance(value, str) else value for key, value in event.items()}


def _mask_line(logger: WrappedLogger, method: str, line: Any) -> str:
    """The same for what stood deeper than in the event's own texts."""
    return _BOT_TOKEN.sub(r"\1***", str(line))
