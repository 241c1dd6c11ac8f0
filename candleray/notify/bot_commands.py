"""Commands that people write to the bot in their private chat, each about what is the sender's own."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from candleray.databases.postgres import Postgres
from candleray.errors import Conflict, NotFound
from candleray.live.run import ACTIVE_STATES, RunAction
from candleray.live.store import Runs
from candleray.notify.bot_api import IncomingMessage
from candleray.notify.chat_store import TelegramChats
from candleray.notify.texts import SHORT_ID, shortened

NOT_VALID = "This link is not valid. Make a new one with `candleray telegram link`, and open it here yourself."
LINKED = (
    "This chat is linked\nMessages of your runs come here. /status, /runs, /stop <run> and /mute are for you; "
    "`candleray telegram policy` chooses what is told."
)
NOT_LINKED = "This chat is not linked to an account. `candleray telegram link` makes a link; open it here."
HELP = (
    "Commands\n/status how your runs stand\n/runs those that are active\n"
    "/stop <run> stops one, by the beginning of its id\n/mute nothing more; /mute 8h for hours, /mute off ends it"
)
MOST_LISTED = 30
_SHORTEST = 4
_REFERENCE = re.compile(r"[0-9a-f-]{1,36}")
_HOURS = re.compile(r"([1-9][0-9]{0,2}) ?h")
_CAUSE = "asked for by Telegram"

Command = Callable[["BotCommands", UUID, str], Awaitable[str]]


class BotCommands:
    """Answers what is written. Each may be answered again: an update may come twice."""

    def __init__(self, postgres: Postgres) -> None:
        self._postgres = postgres
        self._chats = TelegramChats(postgres)

    async def answer(self, message: IncomingMessage) -> str | None:
        """The reply; None where there is none, as in groups, whatever is written there."""
        if not message.is_private or message.chat_id != message.user_id:
            return None
        name, _, given = message.text.strip().partition(" ")
        name, given = name.partition("@")[0].lower(), given.strip()
        if name == "/start" and given:
            is_linked = await self._chats.confirm(given, message.user_id, message.chat_id)
            return LINKED if is_linked else NOT_VALID
        user_id = await self._chats.user_of(message.chat_id, message.user_id)
        if user_id is None:
            return NOT_LINKED
        return await _COMMANDS.get(name, _help)(self, user_id, given)

    async def status(self, user_id: UUID, given: str) -> str:
        rows = await self._postgres.fetch("run_states_of_user", user_id)
        states = ", ".join(f"{row['runs']} {row['state'].replace('_', ' ')}" for row in rows)
        chat = await self._chats.state(user_id)
        return "\n".join(
            [
                f"Runs: {states or 'none'}",
                "messages are muted" if chat.policy.is_muted(datetime.now(UTC)) else "messages are on",
                *([f"quiet {hours.start}-{hours.end} {hours.zone}"] if (hours := chat.policy.quiet_hours) else []),
                *([f"{chat.waiting} waiting"] if chat.waiting else []),
            ]
        )

    async def runs(self, user_id: UUID, given: str) -> str:
        rows = await self._postgres.fetch("listed_runs_of_user", user_id, ACTIVE_STATES, MOST_LISTED + 1)
        if not rows:
            return "No run is active."
        more = [f"and more: the newest {MOST_LISTED} are shown"] if len(rows) > MOST_LISTED else []
        return "\n".join(["Active runs", *map(_run_line, rows[:MOST_LISTED]), *more])

    async def stop(self, user_id: UUID, given: str) -> str:
        reference = given.lower()
        if not _REFERENCE.fullmatch(reference) or len(reference) < _SHORTEST:
            return "Write /stop and the beginning of the run's id, four characters at least, as /runs shows it."
        rows = await self._postgres.fetch("runs_that_begin_with", user_id, reference)
        if len(rows) != 1:
            many = "More than one of your runs begins" if rows else "None of your runs begins"
            return f"{many} with {reference}."
        run_id = rows[0]["run_id"]
        try:
            run = await Runs(self._postgres).move(user_id, run_id, RunAction.STOP, _CAUSE)
        except (Conflict, NotFound) as error:
            return f"Run {str(run_id)[:SHORT_ID]}: {error.message}."
        return f"Run {str(run_id)[:SHORT_ID]} is {run.state}."

    async def mute(self, user_id: UUID, given: str) -> str:
        policy, asked = await self._chats.policy(user_id), given.lower()
        if asked == "off":
            muted, until, told = False, None, "Messages are on again."
        elif not asked:
            muted, until, told = True, None, "Muted: nothing more is told. /mute off ends it."
        elif hours := _HOURS.fullmatch(asked):
            muted, until = False, datetime.now(UTC) + timedelta(hours=int(hours[1]))
            told = f"Muted until {until:%Y-%m-%d %H:%M} UTC. /mute off ends it."
        else:
            return f"Write /mute, /mute 8h or /mute off; {shortened(given, 20)!r} is none of them."
        await self._chats.keep_policy(user_id, policy.model_copy(update={"muted": muted, "muted_until": until}))
        return told

    async def start(self, user_id: UUID, given: str) -> str:
        return LINKED


async def _help(commands: BotCommands, user_id: UUID, given: str) -> str:
    return HELP


_COMMANDS: dict[str, Command] = {
    "/status": BotCommands.status,
    "/runs": BotCommands.runs,
    "/stop": BotCommands.stop,
    "/mute": BotCommands.mute,
    "/start": BotCommands.start,
}


def _run_line(row: dict[str, Any]) -> str:
    symbol = row["instrument_key"].rpartition(":")[2]
    state = row["state"].replace("_", " ")
    return f"{str(row['run_id'])[:SHORT_ID]} {state}: {symbol} {row['timeframe']} {shortened(row['name'], 60)}"
