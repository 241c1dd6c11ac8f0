"""`candleray mcp`."""

from __future__ import annotations

import sys
from importlib.util import find_spec

from candleray.terminal.options import ApiUrl, AsJson, DataDir


def mcp(as_json: AsJson = False, api: ApiUrl = None, data: DataDir = None) -> None:
    """Let an assistant use the API, over stdin and stdout: the Model Context Protocol.

    An assistant's program starts this by itself, with the token in CANDLERAY_TOKEN or the one that
    `candleray login` kept; what it may do is what the token may. With `--json` it prints the entry for the
    program's configuration instead.

    Example: candleray mcp --json
    """
    from candleray.errors import InstanceError

    if find_spec("mcp") is None:
        raise InstanceError("the extra 'agents' is not installed: pip install 'candleray[agents]'")
    from candleray.sdk.connection import find_api_url

    url = api or find_api_url(data)
    if as_json:
        _print_entry(url)
        return
    import signal

    import anyio

    from candleray.agents.protocol.pipes import serve_pipes

    # At once: a thread waits for stdin, which ends no sooner, and nothing is left to be put in order.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    anyio.run(serve_pipes, url, None)


def _print_entry(url: str) -> None:
    """Print what most programs of assistants read."""
    from candleray.terminal.console import print_json

    command = {"type": "stdio", "command": sys.executable, "args": ["-m", "candleray", "mcp", "--api", url]}
    print_json({"mcpServers": {"candleray": command}})
