"""A client's JSON: judged before it is parsed, and handed on token for token."""

from __future__ import annotations

import json
import re
from itertools import accumulate
from typing import TypeVar

import msgspec

from streaming_runtime.core.errors import InvalidBody

MAX_DEPTH = 100
# Each alternative consumes for good, and a string that never ends is taken to the end of the
# body: so no byte is looked at twice, whatever quotes and backslashes a client sends.
STRING = re.compile(rb'"(?:[^"\\]++|\\.)*+(?:"|\\?\Z)', re.DOTALL)
NOT_BRACKETS = bytes(set(range(256)) - set(b"[]{}"))
# An opening bracket is a step of 1; a closing one is 255, which is -1 as a signed byte.
STEPS = bytes.maketrans(b"[{]}", b"\x01\x01\xff\xff")
# \ud800 to \udfff: halves of a pair, which are text only together.
SURROGATE = re.compile(rb"\\u[dD][89a-fA-F]")
MAX_EXPLANATION = 200
NOT_JSON = "The body is not valid JSON"

Body = TypeVar("Body")


def decode(decoder: msgspec.json.Decoder[Body], body: bytes) -> Body:
    """Return the body as ``decoder`` reads it.

    Raises:  InvalidBody, saying what is wrong in our own words.
    """
    try:
        return decoder.decode(body)
    except msgspec.ValidationError as exc:
        raise InvalidBody(_unlike(exc)) from exc
    except (msgspec.DecodeError, RecursionError) as exc:
        raise InvalidBody(NOT_JSON) from exc


def check(body: bytes, *, depth: int) -> None:
    """Refuse what a parser must not meet, or would pass on in a form that others choke on.

    Shape:   ``depth`` is how deep the brackets of this body may nest, envelope included.
    Raises:  InvalidBody.
    """
    if not is_shallow(body, depth):
        raise InvalidBody(f"The JSON is nested deeper than {MAX_DEPTH} levels")
    check_text(body)


def check_text(body: bytes) -> None:
    """Refuse what is not UTF-8, or holds half of a surrogate pair.

    Raises:  InvalidBody.
    Source:  RFC 8259, sections 8.1 and 8.2.
    """
    try:
        body.decode()
        if SURROGATE.search(body):
            # Numbers stay text here: a number of 5,000 digits is fine, and int() would refuse it.
            parsed = json.loads(body, parse_int=str, parse_float=str)
            json.dumps(parsed, ensure_ascii=False).encode()
    except UnicodeDecodeError:
        raise InvalidBody("The body is not UTF-8") from None
    except UnicodeEncodeError:
        raise InvalidBody("The JSON holds half of a surrogate pair") from None
    except (ValueError, RecursionError):
        raise InvalidBody(NOT_JSON) from None


def is_shallow(body: bytes, depth: int) -> bool:
    """Say whether brackets outside strings nest at most ``depth`` deep, without parsing."""
    if body.count(b"[") + body.count(b"{") <= depth:
        return True
    # No loop of ours: a body of a million brackets must not hold up everybody else.
    steps = STRING.sub(b"", body).translate(STEPS, delete=NOT_BRACKETS)
    return max(accumulate(memoryview(steps).cast("b")), default=0) <= depth


def _unlike(failure: msgspec.ValidationError) -> str:
    # These texts hold names of fields, a client's own among them, and never values.
    text = str(failure)
    if len(text) > MAX_EXPLANATION:
        return "The body is not of the documented form"
    return f"The body is not of the documented form: {text}"
