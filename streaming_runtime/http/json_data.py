"""A client's JSON: judged before it is parsed, and handed on token for token."""

from __future__ import annotations

import json
import re
from typing import TypeVar

import msgspec

from streaming_runtime.core.errors import InvalidBody

MAX_DEPTH = 100
STRING = re.compile(rb'"(?:[^"\\]|\\.)*"', re.DOTALL)
BRACKET = re.compile(rb"[\[\]{}]")
# \ud800 to \udfff: halves of a pair, which are text only together.
SURROGATE = re.compile(rb"\\u[dD][89a-fA-F]")

Body = TypeVar("Body")


def decode(decoder: msgspec.json.Decoder[Body], body: bytes, *, depth: int) -> Body:
    """Return the body as ``decoder`` reads it, after what a parser must not meet is refused.

    Shape:   ``depth`` is how deep the brackets of this body may nest, envelope included.
    Raises:  InvalidBody, saying what is wrong in our own words.
    """
    check_text(body)
    if not is_shallow(body, depth):
        raise InvalidBody(f"The JSON is nested deeper than {MAX_DEPTH} levels")
    try:
        return decoder.decode(body)
    except msgspec.ValidationError as exc:
        raise InvalidBody(_unlike(exc)) from exc
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as exc:
        raise InvalidBody("The body is not valid JSON") from exc


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
        raise InvalidBody("The body is not valid JSON") from None


def is_shallow(body: bytes, depth: int) -> bool:
    """Say whether brackets outside strings nest at most ``depth`` deep, without parsing."""
    if body.count(b"[") + body.count(b"{") <= depth:
        return True
    level = 0
    for bracket in BRACKET.finditer(STRING.sub(b"", body)):
        level += 1 if bracket[0] in b"[{" else -1
        if level > depth:
            return False
    return True


def _unlike(failure: msgspec.ValidationError) -> str:
    # These texts name fields of ours and JSON types, and nothing of the client's data.
    text = str(failure)
    return (
        f"The body is not of the documented form: {text}"
        if len(text) < 200
        else "Unlike the schema"
    )
