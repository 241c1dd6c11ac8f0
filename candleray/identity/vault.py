"""Envelope encryption: AES-256-GCM under a data key of each record, which is wrapped by a key-encryption key.

What a record belongs to (`bound_to`) is associated data of both layers: sealed for one place it opens in no other.
"""

from __future__ import annotations

import base64
import binascii
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NoReturn
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

from candleray.errors import CandlerayError, InstanceError
from candleray.validation import Model

NONCE_BYTES = 12
KEY_BYTES = 32
MAX_SECRET = 4096


class Secret:
    """Text that cannot be printed, logged, pickled or serialised by accident: `reveal` is the only way to it."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        return self._text

    def __repr__(self) -> str:
        return "Secret(***)"

    __str__ = __repr__

    def __format__(self, spec: str) -> str:
        return repr(self)

    def __reduce__(self) -> NoReturn:
        raise TypeError("a secret is not to be pickled")

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_plain_validator_function(
            cls._validated, serialization=core_schema.plain_serializer_function_ser_schema(lambda _: "***")
        )

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        return {
            "type": "string",
            "format": "password",
            "writeOnly": True,
            "minLength": 8,
            "maxLength": MAX_SECRET,
            "pattern": r"^[\x21-\x7e]+$",
        }

    @classmethod
    def _validated(cls, value: Any) -> Secret:
        if isinstance(value, Secret):
            return value
        # Its own error: pydantic's would quote the value.
        if not isinstance(value, str) or not 8 <= len(value) <= MAX_SECRET or not _is_visible(value):
            raise PydanticCustomError("secret", "is 8 to 4096 visible ASCII characters")
        return cls(value)


def _is_visible(text: str) -> bool:
    return all("!" <= character <= "~" for character in text)


class Sealed(Model):
    """A secret as it is stored: without a key-encryption key of that version it says nothing."""

    key_version: str
    wrapped_key: str
    """Base64 of nonce, wrapped data key, tag."""
    content: str
    """Base64 of nonce, ciphertext, tag."""


class CannotOpen(CandlerayError):
    """A sealed secret that was changed, belongs to another place, or whose key is not there."""


@dataclass(frozen=True)
class KeyRing:
    """Key-encryption keys by version; new records take `current`."""

    keys: Mapping[str, bytes] = field(repr=False)
    current: str

    @classmethod
    def parse(cls, text: str) -> KeyRing:
        """`version:base64,version:base64`, the current one first.

        Raises:
            InstanceError: it is something else; nothing of it is quoted.
        """
        keys: dict[str, bytes] = {}
        for part in text.split(","):
            version, _, encoded = part.strip().partition(":")
            try:
                key = base64.b64decode(encoded, validate=True)
            except (binascii.Error, ValueError):
                key = b""
            if not version or len(key) != KEY_BYTES or version in keys:
                raise InstanceError(
                    "key_encryption_keys is version:base64 of 32 bytes, each version once, after commas"
                )
            keys[version] = key
        return cls(keys, next(iter(keys)))

    def seal(self, secret: Secret, *bound_to: UUID | str) -> Sealed:
        data_key = secrets.token_bytes(KEY_BYTES)
        return Sealed(
            key_version=self.current,
            wrapped_key=_encrypt(self.keys[self.current], data_key, _bound(self.current, *bound_to)),
            content=_encrypt(data_key, secret.reveal().encode(), _bound("content", *bound_to)),
        )

    def open(self, sealed: Sealed, *bound_to: UUID | str) -> Secret:
        """
        Raises:
            CannotOpen: it was changed, belongs elsewhere, or its key is not on the ring.
        """
        data_key = self._data_key(sealed, *bound_to)
        return Secret(_decrypt(data_key, sealed.content, _bound("content", *bound_to)).decode())

    def rewrap(self, sealed: Sealed, *bound_to: UUID | str) -> Sealed:
        """The same content under the current key; the content itself is not opened."""
        data_key = self._data_key(sealed, *bound_to)
        wrapped = _encrypt(self.keys[self.current], data_key, _bound(self.current, *bound_to))
        return Sealed(key_version=self.current, wrapped_key=wrapped, content=sealed.content)

    def _data_key(self, sealed: Sealed, *bound_to: UUID | str) -> bytes:
        key = self.keys.get(sealed.key_version)
        if key is None:
            raise CannotOpen(f"the key-encryption key {sealed.key_version[:32]!r} is not there")
        return _decrypt(key, sealed.wrapped_key, _bound(sealed.key_version, *bound_to))


def _bound(*parts: UUID | str) -> bytes:
    # Lengths first: ("ab", "c") must not be bound as ("a", "bc") is.
    return b"".join(f"{len(str(part))}:{part}".encode() for part in parts)


def _encrypt(key: bytes, content: bytes, bound: bytes) -> str:
    nonce = secrets.token_bytes(NONCE_BYTES)
    return base64.b64encode(nonce + AESGCM(key).encrypt(nonce, content, bound)).decode()


def _decrypt(key: bytes, encoded: str, bound: bytes) -> bytes:
    try:
        raw = base64.b64decode(encoded, validate=True)
        return AESGCM(key).decrypt(raw[:NONCE_BYTES], raw[NONCE_BYTES:], bound)
    except (InvalidTag, ValueError):
        raise CannotOpen("a sealed record does not open: it was changed, or belongs elsewhere") from None
