"""`candleray verify`."""

from __future__ import annotations

from typing import Annotated

import typer

from candleray.terminal.console import print_json
from candleray.terminal.exit_codes import ExitCode
from candleray.terminal.options import ApiUrl, AsJson, DataDir, connect, read_request
from candleray.terminal.progress import working


def verify(
    certificate: Annotated[
        str, typer.Argument(metavar="CERTIFICATE", help="A certificate's file; - reads it from stdin.")
    ],
    as_json: AsJson = False,
    api: ApiUrl = None,
    data: DataDir = None,
) -> None:
    """Compute a certificate of a run again, from the candles of another instance, and say what differs.

    It ends with code 1 unless the certificate is confirmed.

    Example: candleray verify certificate.json
    """
    content = read_request(certificate)
    with connect(api, data) as client, working("verifying"):
        verification = client.verify_certificate(content)
    if as_json:
        print_json(verification)
    else:
        from candleray.terminal.certificates import print_verification

        print_verification(verification)
    if verification.finding.value != "confirmed":
        raise typer.Exit(ExitCode.FAILED)
