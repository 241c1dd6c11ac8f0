"""A signed login as a link: the page takes it out of its address at once, and uses it once."""

from __future__ import annotations

import base64

from candleray.identity.models import WidgetLogin


def login_link(url: str, login: WidgetLogin) -> str:
    """The address that logs a browser in; what is behind `#` is sent to no server and kept in no log."""
    signed = base64.urlsafe_b64encode(login.model_dump_json(exclude_none=True).encode()).decode().rstrip("=")
    return f"{url.rstrip('/')}/#login={signed}"
