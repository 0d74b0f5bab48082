"""JSON as text: judged without parsing, parsed without losing a number's digits, written back."""

from __future__ import annotations

import json
import math
from json.encoder import encode_basestring
from typing import Any

import msgspec

from streaming_runtime.processing.processor import Unprocessable

# A million bytes of result for a quarter of that in data; the topic takes twice as much.
MAX_RESULT_BYTES = 1 << 20
# Python refuses to convert longer integers, and takes a time that grows with the square.
MAX_INT_DIGITS = 4_300

_raw = msgspec.json.Decoder(msgspec.Raw)


class ExactNumber(float):
    """A number whose text Python would not give back: 1e400, 1.10, -0, 5,000 digits.

    Shape:  it compares and computes as the nearest float, which may be infinite; ``token`` is
            what stood in the JSON and is what gets written.
    """

    token: str


# jmespath knows the type of a value by the name of its class alone.
ExactNumber.__name__ = "float"


def check_json(value: bytes | None) -> bytes:
    """Return ``value`` if it is one JSON text in UTF-8, without NaN or half a surrogate pair.

    Raises:  Unprocessable.
    """
    if value is None:
        raise Unprocessable("The record has no data")
    try:
        _raw.decode(value)
        value.decode()
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise Unprocessable("The data is not valid JSON") from None
    except RecursionError:
        raise Unprocessable("The data is nested too deeply") from None
    return value


def parse(value: bytes) -> Any:
    """Return valid JSON as objects; each number can be written as it was."""
    return json.loads(value, parse_int=integer, parse_float=number)


def number(token: str) -> float:
    """Return a JSON number that is written back as ``token``."""
    plain = float(token)
    if repr(plain) == token:
        return plain
    exact = ExactNumber(plain)
    exact.token = token
    return exact


def integer(token: str) -> float:
    """Return a whole number exactly, or if it is too long for that as ``number`` does."""
    if token == "-0" or len(token) > MAX_INT_DIGITS:
        return number(token)
    return int(token)


def encode(value: object, max_bytes: int = MAX_RESULT_BYTES) -> bytes:
    """Return the JSON of what ``parse`` gives and expressions make of it.

    Raises:  Unprocessable if it is larger than ``max_bytes``, or JSON has no word for it.
    """
    text = _Text(max_bytes)
    text.add(value)
    try:
        written = "".join(text.pieces).encode()
    except UnicodeEncodeError:
        raise Unprocessable("The result holds half of a surrogate pair") from None
    if len(written) > max_bytes:
        raise _too_large(max_bytes)
    return written


class _Text:
    """JSON under construction.

    Expressions can name one list twice in a list, again and again: small in memory, without end
    on paper. So the size is watched while writing, not afterwards.
    """

    def __init__(self, max_bytes: int) -> None:
        self.pieces: list[str] = []
        self._max_bytes = max_bytes
        self._room = max_bytes

    def add(self, value: object, before: str = "") -> None:
        if isinstance(value, dict):
            self._add_object(value, before)
        elif isinstance(value, list):
            self._add_array(value, before)
        else:
            self._put(before + _scalar(value))

    def _add_object(self, members: dict[str, object], before: str) -> None:
        self._put(before + "{")
        comma = ""
        for name, value in members.items():
            self.add(value, f"{comma}{encode_basestring(name)}:")
            comma = ","
        self._put("}")

    def _add_array(self, elements: list[object], before: str) -> None:
        self._put(before + "[")
        comma = ""
        for value in elements:
            self.add(value, comma)
            comma = ","
        self._put("]")

    def _put(self, piece: str) -> None:
        self._room -= len(piece)
        if self._room < 0:
            raise _too_large(self._max_bytes)
        self.pieces.append(piece)


def _scalar(value: object) -> str:
    if isinstance(value, str):
        return encode_basestring(value)
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, ExactNumber):
        return value.token
    if isinstance(value, int):
        return _digits(value)
    if isinstance(value, float) and math.isfinite(value):
        return repr(value)
    raise Unprocessable("The result holds a value that JSON has no word for")


def _digits(value: int) -> str:
    try:
        return str(value)
    except ValueError:
        raise Unprocessable(f"The result holds a number of over {MAX_INT_DIGITS} digits") from None


def _too_large(max_bytes: int) -> Unprocessable:
    return Unprocessable(f"The result would be larger than {max_bytes >> 10} KiB")
