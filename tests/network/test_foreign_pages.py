"""Pages in place of answers, said in one line."""

from __future__ import annotations

import pytest

from candleray.network.foreign_pages import EXCERPT, page_in_words, telling_headers

CLOUDFRONT = """<!DOCTYPE HTML PUBLIC "-//W3C//DTD HTML 4.01 Transitional//EN" "http://www.w3.org/TR/html4/loose.dtd">
<HTML><HEAD><META HTTP-EQUIV="Content-Type" CONTENT="text/html; charset=iso-8859-1">
<TITLE>ERROR: The request could not be satisfied</TITLE>
<style>body { color: red }</style></HEAD><BODY>
<H1>403 ERROR</H1>
<H2>The request could not be satisfied.</H2>
<HR noshade size="1px">
The Amazon CloudFront distribution is configured to block access from your country.
<!-- a comment --><script>alert(1)</script>
</BODY></HTML>"""


def test_of_a_page_its_title_and_its_text_are_said_and_no_tag():
    said = page_in_words(CLOUDFRONT)
    assert said == (
        "ERROR: The request could not be satisfied: 403 ERROR The request could not be satisfied. The Amazon "
        "CloudFront distribution is configured to block access from your country."
    )


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", ""),
        ("busy\nnow\t!", "busy now !"),
        ("1 < 2", "1 < 2"),
        ("<p>Fish &amp; chips", "Fish & chips"),
        ("<title>Forbidden</title>Forbidden", "Forbidden"),
        ("<title>Only</title>", "Only"),
        ("<script>half", ""),
        ("\x1b[31mred", "?[31mred"),
    ],
)
def test_other_texts(text, said):
    assert page_in_words(text) == said


def test_a_long_page_is_cut_to_a_line():
    assert len(page_in_words("<b>" + "word " * 10_000)) == EXCERPT
    assert page_in_words("<" * 200_000) is not None


def test_the_headers_that_say_who_refuses():
    told = telling_headers({"Server": "CloudFront", "X-Cache": "Error from cloudfront", "Set-Cookie": "secret"})
    assert told == " (server: CloudFront, x-cache: Error from cloudfront)"
    assert telling_headers({}) == ""
