"""The second factor: set it up with an authenticator app, show its codes, replace it, turn it off."""

from __future__ import annotations

import typer

from candleray.terminal.console import notes, output, print_json
from candleray.terminal.options import ApiUrl, AsJson, DataDir, ask_secret, connect
from candleray.terminal.tables import second_text

second_factor = typer.Typer(
    no_args_is_help=True,
    help=f"{__doc__}\n\nCodes are asked for, or read from stdin.\n\nExample: candleray second-factor setup",
    rich_markup_mode="markdown",
)

PRESENT_CODE, CODE, FIRST_CODE = "Code of the present second factor", "Code", "First code of the app"


@second_factor.command()
def setup(as_json: AsJson = False, api: ApiUrl = None, data: DataDir = None) -> None:
    """Begin a second factor, or replace the one there is: scan the QR code, then type the app's first code.

    Example: candleray second-factor setup
    """
    with connect(api, data) as client:
        replacing = client.second_factor().enabled
        begun = client.begin_second_factor(ask_secret(PRESENT_CODE) if replacing else None)
        if as_json:
            print_json(begun)
        else:
            typer.echo(_qr(begun.otpauth_uri))
            typer.echo(f"secret {begun.secret}\n{begun.otpauth_uri}")
        notes().print("Scan this with an authenticator app, or type the secret there: it is shown this once.")
        codes = client.confirm_second_factor(ask_secret(FIRST_CODE)).recovery_codes
    _print_recovery(codes, as_json)


@second_factor.command()
def verify(as_json: AsJson = False, api: ApiUrl = None, data: DataDir = None) -> None:
    """Show a code, or a recovery code: for some minutes exchange keys may be added and deleted.

    Example: candleray second-factor verify
    """
    with connect(api, data) as client:
        accepted = client.verify_code(ask_secret(CODE))
    if as_json:
        print_json(accepted)
        return
    output().print(f"fresh until {second_text(accepted.fresh_until)}")


@second_factor.command()
def status(as_json: AsJson = False, api: ApiUrl = None, data: DataDir = None) -> None:
    """Show whether there is one, how many recovery codes are left, and whether it is locked.

    Example: candleray second-factor status
    """
    with connect(api, data) as client:
        state = client.second_factor()
    if as_json:
        typer.echo(state.model_dump_json())
        return
    kind = "on" if state.enabled else "awaiting its first code" if state.pending else "off"
    locked = f", locked until {second_text(state.locked_until)}" if state.locked_until else ""
    output().print(f"{kind}, {state.recovery_codes_left} recovery codes left{locked}")


@second_factor.command()
def disable(as_json: AsJson = False, api: ApiUrl = None, data: DataDir = None) -> None:
    """Turn it off, by a code of it; exchange keys can then be neither added nor deleted.

    Example: candleray second-factor disable
    """
    with connect(api, data) as client:
        state = client.disable_second_factor(ask_secret(CODE))
    if as_json:
        print_json(state)
    else:
        output().print("off")


@second_factor.command("recovery-codes")
def recovery_codes(as_json: AsJson = False, api: ApiUrl = None, data: DataDir = None) -> None:
    """Replace the recovery codes by ten new ones, by a code; the old ones are void.

    Example: candleray second-factor recovery-codes
    """
    with connect(api, data) as client:
        codes = client.replace_recovery_codes(ask_secret(CODE)).recovery_codes
    _print_recovery(codes, as_json)


def _print_recovery(codes: tuple[str, ...], as_json: bool) -> None:
    if as_json:
        print_json({"recovery_codes": codes})
    else:
        typer.echo("\n".join(codes))
    notes().print("Recovery codes: each stands in for one code when the telephone is lost; shown this once.")


def _qr(uri: str) -> str:
    """Made of half blocks, two rows of modules in each line."""
    import io

    import segno

    drawn = io.StringIO()
    segno.make(uri, error="m").terminal(out=drawn, compact=True)
    return drawn.getvalue()
