"""Messages by Telegram of what your runs do: link your chat, choose which events are told, unlink it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from candleray.errors import invalid
from candleray.terminal.console import notes, output, print_json
from candleray.terminal.options import ApiUrl, AsJson, DataDir, connect
from candleray.terminal.tables import second_text

if TYPE_CHECKING:
    from candleray.notify.chats import TelegramChat

telegram = typer.Typer(
    no_args_is_help=True, help=f"{__doc__}\n\nExample: candleray telegram link", rich_markup_mode="markdown"
)


@telegram.command()
def link(as_json: AsJson = False, api: ApiUrl = None, data: DataDir = None) -> None:
    """Print a link to the bot: open it in your own Telegram and press Start, and messages come there.

    Example: candleray telegram link
    """
    with connect(api, data) as client:
        made = client.link_telegram()
    if as_json:
        print_json(made)
        return
    typer.echo(made.url)
    until = second_text(made.expires_at)
    notes().print(f"Open it in the Telegram of your account and press Start; it is good once, until {until}.")


@telegram.command()
def status(as_json: AsJson = False, api: ApiUrl = None, data: DataDir = None) -> None:
    """Show whether your chat is linked, what waits to be sent, and which events are told.

    Example: candleray telegram status
    """
    with connect(api, data) as client:
        _show(client.telegram(), as_json)


@telegram.command()
def unlink(as_json: AsJson = False, api: ApiUrl = None, data: DataDir = None) -> None:
    """Unlink your chat: nothing more is sent there.

    Example: candleray telegram unlink
    """
    with connect(api, data) as client:
        _show(client.unlink_telegram(), as_json)


@telegram.command()
def policy(
    kinds: Annotated[
        str | None,
        typer.Option(
            "--kinds", help="Events to tell, separated by commas, such as entry,exit,state; none for ''."
        ),
    ] = None,
    quiet: Annotated[
        str | None, typer.Option("--quiet", metavar="HH:MM-HH:MM", help="Hours of silence each day; off for none.")
    ] = None,
    zone: Annotated[
        str | None,
        typer.Option("--zone", help="The time zone of --quiet, such as Europe/Berlin; UTC if it had none."),
    ] = None,
    muted: Annotated[
        bool | None, typer.Option("--muted/--unmuted", help="Nothing at all, or messages again.")
    ] = None,
    mute_run: Annotated[
        list[str] | None, typer.Option("--mute-run", metavar="RUN", help="No messages of it; may be given again.")
    ] = None,
    unmute_run: Annotated[
        list[str] | None, typer.Option("--unmute-run", metavar="RUN", help="Its messages again.")
    ] = None,
    as_json: AsJson = False,
    api: ApiUrl = None,
    data: DataDir = None,
) -> None:
    """Choose which events are told, and when; what is not named stays as it is.

    Example: candleray telegram policy --kinds entry,exit,state --quiet 23:00-07:00 --zone Europe/Berlin
    """
    from candleray.sdk.references import RUN, find_id

    with connect(api, data) as client:
        chosen = client.telegram().policy.model_dump(mode="json")
        if kinds is not None:
            chosen["kinds"] = [kind.strip() for kind in kinds.split(",") if kind.strip()]
        if quiet is not None or zone is not None:
            chosen["quiet_hours"] = _quiet_hours(quiet, zone, chosen["quiet_hours"])
        if muted is not None:
            chosen |= {"muted": muted, "muted_until": None}
        for references, is_muted in ((mute_run, True), (unmute_run, False)):
            for reference in references or ():
                run_id = str(find_id(client, RUN, reference))
                chosen["runs"][run_id] = {**chosen["runs"].get(run_id, {}), "muted": is_muted}
        _show(client.set_telegram_policy(chosen), as_json)


def _quiet_hours(text: str | None, zone: str | None, known: dict[str, Any] | None) -> dict[str, Any] | None:
    if text == "off":
        return None
    zone = zone or (known or {}).get("zone", "UTC")
    if text is None:
        if known is None:
            raise invalid("--zone", "no_quiet_hours", f"--zone {zone}: there are no quiet hours; give --quiet too")
        return {**known, "zone": zone}
    start, _, end = text.partition("-")
    return {"start": start.strip(), "end": end.strip(), "zone": zone}


def _show(chat: TelegramChat, as_json: bool) -> None:
    if as_json:
        print_json(chat)
        return
    for line in _lines(chat):
        output().print(line)


def _lines(chat: TelegramChat) -> list[str]:
    if not chat.bot:
        linked = "this instance has no bot that is at work"
    elif not chat.linked or chat.linked_at is None:
        linked = f"not linked to @{chat.bot}: `candleray telegram link` links your chat"
    elif chat.off_since:
        linked = (
            f"off since {second_text(chat.off_since)}, because @{chat.bot} was blocked there: unblock it, then "
            "`candleray telegram link`"
        )
    else:
        linked = f"linked to @{chat.bot} since {second_text(chat.linked_at)}, {chat.waiting} waiting"
    policy = chat.policy
    quiet = policy.quiet_hours
    muted_runs = sum(one.muted for one in policy.runs.values())
    told = [
        f"tells {', '.join(policy.kinds) or 'nothing'}",
        f"quiet {quiet.start}-{quiet.end} {quiet.zone}" if quiet else "",
        "muted"
        if policy.muted
        else f"muted until {second_text(policy.muted_until)}"
        if policy.muted_until
        else "",
        f"{muted_runs} muted run{'s' * (muted_runs > 1)}" if muted_runs else "",
    ]
    return [linked, "; ".join(filter(None, told)), *([f"trouble: {chat.trouble}"] if chat.trouble else [])]
