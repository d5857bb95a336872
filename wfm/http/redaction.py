"""Redaction of secrets in log lines and error messages."""

from __future__ import annotations

import base64
import html
import json
import re
from collections.abc import Collection, Iterator
from functools import lru_cache
from typing import Final
from urllib.parse import quote, quote_plus

REDACTED: Final = "***"
_MIN_BASE64_LENGTH: Final = 6  # a shorter piece of base64 would match ordinary words
_SECRET_NAME = r"[\w.-]{0,40}(?:token|password|passwd|secret|api_?key)|(?<!\w)code"
_AUTHORIZATION_HEADER = re.compile(
    r"""(?ix) ( \b authorization ["']? \s* [:=,] \s* (?: b? ["'] )? ) (?: \w+ [ ]+ )? [^\s"',;]+"""
)
_ASSIGNED_SECRET = re.compile(rf"""(?ix) ( (?:{_SECRET_NAME}) = ) [^&\s"'<>;,]+""")
_QUOTED_SECRET = re.compile(
    rf"""(?ix) ( (["']) (?:{_SECRET_NAME}) \2 \s* : \s* (["']) ) (?: \\. | (?!\3)[^\\] )*"""
)


def redact_secrets(text: str, secrets: Collection[str]) -> str:
    """Redact every secret in a text, and every value whose name says that it is one.

    A secret is found as it is, URL-encoded, escaped as in JSON, HTML or Python, and within base64 (Basic). Values are
    those of an `Authorization` header and of `code=`, `token=`, `password=`, `client_secret=` and the like.
    """
    pattern = _compile_pattern(frozenset(secrets))
    if pattern is not None:
        text = pattern.sub(REDACTED, text)
    text = _AUTHORIZATION_HEADER.sub(rf"\1{REDACTED}", text)
    text = _QUOTED_SECRET.sub(rf"\1{REDACTED}", text)
    return _ASSIGNED_SECRET.sub(rf"\1{REDACTED}", text)


@lru_cache(maxsize=64)
def _compile_pattern(secrets: frozenset[str]) -> re.Pattern[str] | None:
    """Compile one pattern for all encodings of all secrets: replacing them one by one could join parts to a new one."""
    forms = {form for secret in secrets if secret for form in _list_encodings(secret) if form}
    if not forms:
        return None
    longest_first = sorted(forms, key=lambda form: (-len(form), form))
    # %2f and %2F are the same; ignoring case everywhere redacts too much rather than too little
    return re.compile("|".join(map(re.escape, longest_first)), re.IGNORECASE)


def _list_encodings(secret: str) -> Iterator[str]:
    data = secret.encode("utf-8", "surrogatepass")
    yield secret
    yield from (quote(data, safe=""), quote(data), quote_plus(data))
    yield from (json.dumps(secret)[1:-1], json.dumps(secret, ensure_ascii=False)[1:-1])
    yield from (repr(secret)[1:-1], repr(data)[2:-1], ascii(secret)[1:-1])
    yield from (html.escape(secret), html.escape(secret, quote=False))
    yield from _list_base64_forms(data)


def _list_base64_forms(data: bytes) -> Iterator[str]:
    """Yield bytes as they appear in a longer base64 text, such as that of `user:password`, at each alignment."""
    for before in range(3):
        coded = base64.b64encode(bytes(before) + data).decode().rstrip("=")
        first = (0, 2, 3)[before]  # the characters before it also encode bits of what precedes
        # the last character may also encode bits of what follows
        last = len(coded) if (before + len(data)) % 3 == 0 else -1
        core = coded[first:last]
        if len(core) >= _MIN_BASE64_LENGTH:
            yield from (core, core.replace("+", "-").replace("/", "_"))
    for whole in (base64.b64encode(data), base64.urlsafe_b64encode(data)):
        yield whole.decode()
