"""Commands that people write to the bot in their private chat, each about what is the sender's own."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from candleray.databases.postgres import Postgres
from candleray.errors import Conflict, NotFound
from candleray.live.run import ACTIVE_STATES, RunAction
from candleray.live.standing import RunStanding
from candleray.live.stores.store import Runs
from candleray.notify.bot_api import IncomingMessage
from candleray.notify.chat_store import TelegramChats
from candleray.notify.chats import TelegramChat
from candleray.notify.run_lines import run_line, standing_lines
from candleray.notify.texts import SHORT_ID, shortened

NOT_VALID = "This link is not valid. Make a new one with `candleray telegram link`, and open it here yourself."
LINKED = (
    "This chat is linked\nMessages of your runs come here. /status, /runs, /stop <run> and /mute are for you; "
    "`candleray telegram policy` chooses what is told."
)
NOT_LINKED = "This chat is not linked to an account. `candleray telegram link` makes a link; open it here."
HELP = (
    "Commands\n/status how your active runs stand\n/runs lists them; /runs 2 and /status 2 show more\n"
    "/stop <run> stops one, by the beginning of its id\n/mute nothing more; /mute 8h for hours, /mute off ends it"
)
PAGE_RUNS = {"status": 8, "runs": 30}
"""Runs on a page of a command's answer, so that it is one message however long their names are."""
_SHORTEST = 4
_REFERENCE = re.compile(r"[0-9a-f-]{1,36}")
_HOURS = re.compile(r"([1-9][0-9]{0,2}) ?h")
_PAGE = re.compile(r"[1-9][0-9]{0,5}")
_NO_PAGE = "Write /{command}, or /{command} 2 for the second page; {given!r} is none."
_CAUSE = "asked for by Telegram"

Command = Callable[["BotCommands", UUID, str], Awaitable[str]]
StandingsOf = Callable[[UUID], Awaitable[Mapping[UUID, RunStanding]]]
"""The standings of a user, by run, as far as they are known."""


class BotCommands:
    """Answers what is written. Each may be answered again: an update may come twice."""

    def __init__(self, postgres: Postgres, standings: StandingsOf) -> None:
        self._postgres = postgres
        self._standings = standings
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
        page = page_of(given)
        if page is None:
            return _NO_PAGE.format(command="status", given=shortened(given, 20))
        standings = await self._standings(user_id)
        told = await self._page(
            "status", user_id, page, lambda row: standing_lines(row, standings.get(row["run_id"]))
        )
        return "\n".join([await self._states(user_id), *told, *_chat_lines(await self._chats.state(user_id))])

    async def runs(self, user_id: UUID, given: str) -> str:
        page = page_of(given)
        if page is None:
            return _NO_PAGE.format(command="runs", given=shortened(given, 20))
        told = await self._page("runs", user_id, page, lambda row: [run_line(row)])
        return "\n".join(["Active runs", *told]) if told else "No run is active."

    async def _page(
        self, command: str, user_id: UUID, page: int, lines_of: Callable[[dict[str, Any]], list[str]]
    ) -> list[str]:
        """Lines about the active runs of a page, the newest first, and which command shows more."""
        size = PAGE_RUNS[command]
        asked = (user_id, ACTIVE_STATES, size + 1, (page - 1) * size)
        rows = await self._postgres.fetch("listed_runs_of_user", *asked)
        if not rows and page > 1:
            return [f"There is no page {page}: /{command} shows the first."]
        more = [f"/{command} {page + 1} shows more"] if len(rows) > size else []
        return [*(line for row in rows[:size] for line in lines_of(row)), *more]

    async def _states(self, user_id: UUID) -> str:
        rows = await self._postgres.fetch("run_states_of_user", user_id)
        states = ", ".join(f"{row['runs']:,} {row['state'].replace('_', ' ')}" for row in rows)
        return f"Runs: {states or 'none'}"

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


def page_of(given: str) -> int | None:
    """The page that is asked for, the first where none is; None where it is no number of one."""
    if not given:
        return 1
    return int(given) if _PAGE.fullmatch(given) else None


def _chat_lines(chat: TelegramChat) -> list[str]:
    policy, hours = chat.policy, chat.policy.quiet_hours
    if policy.muted:
        messages = "messages are muted"
    elif policy.muted_until:
        messages = f"messages are muted until {policy.muted_until:%Y-%m-%d %H:%M} UTC"
    else:
        messages = "messages are on"
    quiet = [f"quiet {hours.start}-{hours.end} {hours.zone}"] if hours else []
    return [messages, *quiet, *([f"{chat.waiting:,} waiting"] if chat.waiting else [])]
