"""The search that ends every run finds what it is there for, whatever a secret is spelled like."""

from __future__ import annotations

import base64

import pytest

from tests.support.canaries import MAX_ANSWER, is_length
from tests.support.secret_search import SecretSearch

SECRETS = [f"crs_{number:06}-{'xyz' * 13}" for number in range(3000)]
SECRET = SECRETS[1234]


@pytest.mark.parametrize(
    "spelled",
    [
        SECRET,
        f"Bearer {SECRET}, and more",
        SECRET.encode().hex(),
        base64.b64encode(SECRET.encode()).decode(),
        f"…{SECRET}…",
    ],
)
@pytest.mark.parametrize("before", [0, 7, MAX_ANSWER, (1 << 22) - 20, (1 << 22) + 1])
def test_a_secret_is_found_anywhere(spelled, before):
    content = b"." * before + spelled.encode() + b"." * 100
    assert {secret for secret, _ in SecretSearch(SECRETS).found(content)} == {SECRET}


@pytest.mark.parametrize("content", [b"", b"short", SECRET[:-1].encode(), SECRET[1:].encode(), b"." * 5_000_000])
def test_what_is_none_is_not_found(content):
    assert list(SecretSearch(SECRETS).found(content)) == []


def test_where_there_are_no_secrets_none_is_found():
    assert list(SecretSearch([]).found(b"." * 100)) == []


def test_a_code_of_six_digits_is_told_from_the_length_of_an_answer():
    assert is_length("'123456'", b"[(b'server', b'uvicorn'), (b'content-length', b'123456'")
    assert not is_length("'123456'", b"{'code': '123456'")
    assert not is_length("'123456'", b"{'code': b'123456'")
