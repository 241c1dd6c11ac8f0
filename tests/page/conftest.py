"""Fixtures of the page's tests: one browser, a tab each, and the API on a real port."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from candleray.identity.login_link import login_link
from candleray.identity.models import WidgetLogin
from candleray.market_data.candle_store import CandleStore
from tests.support.api.in_process_api import fresh_login
from tests.support.api.served import served_api
from tests.support.browser.chromium import NO_BROWSER, Chromium, chromium, running_chromium
from tests.support.browser.tab import Tab, opened_tab


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chromium]:
    if chromium() is None:
        pytest.skip(NO_BROWSER)
    with running_chromium(tmp_path_factory.mktemp("profile")) as running:
        yield running


@pytest.fixture(scope="module")
def api_url(embedded_store: CandleStore) -> Iterator[str]:
    with served_api(embedded_store) as url:
        yield url


@pytest.fixture
def tab(browser: Chromium) -> Iterator[Tab]:
    """A tab in which nothing may go wrong."""
    with opened_tab(browser) as opened:
        yield opened
        assert opened.faults() == []


@pytest.fixture
def link(api_url: str) -> str:
    """A link that signs in somebody new, once."""
    return login_link(api_url, WidgetLogin(**fresh_login(time.time_ns() % 2**49)))
