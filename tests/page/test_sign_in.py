"""Sign-in on the page: by a link, once, and with nothing of it left in the address."""

from __future__ import annotations

import pytest

from tests.support.browser.tab import Tab


def test_a_link_signs_in_and_leaves_nothing_in_the_address(tab: Tab, link: str):
    tab.open(link)
    tab.see("Build")
    assert "login" not in tab.evaluate("location.href")
    assert tab.evaluate("document.cookie.includes('candleray_csrf') && !document.cookie.includes('session')")


def test_a_link_is_good_once_and_a_second_one_sees_why(tab: Tab, link: str):
    tab.open(link)
    tab.see("Build")
    tab.evaluate(
        "fetch('/logout', {method: 'POST', headers: {'X-CSRF-Token': document.cookie.split('csrf=')[1]}})"
    )
    tab.open("about:blank")
    tab.open(link)
    tab.see("The login is not valid: log in again")
    tab.see("candleray login --browser")


@pytest.mark.parametrize("fragment", ["login=AAAA", "login=e30", "tgAuthResult=" + "A" * 300])
def test_what_nobody_signed_leads_to_the_way_in(tab: Tab, api_url: str, fragment: str):
    tab.open(f"{api_url}/#{fragment}")
    tab.see("candleray login --browser")
    assert "AAAA" not in tab.evaluate("location.href")
