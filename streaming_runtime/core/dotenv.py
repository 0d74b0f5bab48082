"""Reads ``.env``."""

import re
from pathlib import Path

_NAME = re.compile(r"(?:export\s+)?([A-Za-z_][A-Za-z0-9_]*)\s*=(.*)")
_QUOTED = re.compile(r"""\s*(?:"([^"]*)"|'([^']*)')\s*(?:#.*)?""")


class BadLine(Exception):
    """A line of ``.env`` is not ``NAME=value``."""


def load(path: Path) -> dict[str, str]:
    """Return the variables of the file, none if there is no such file.

    Raises:  BadLine; OSError if it may not be read.
    """
    try:
        return parsed(path.read_text(encoding="utf-8-sig"))
    except FileNotFoundError:
        return {}
    except UnicodeDecodeError:
        raise BadLine(".env is not UTF-8 text") from None


def parsed(text: str) -> dict[str, str]:
    """Return the variables of a ``.env`` file.

    Shape:   ``NAME=value`` lines, ``export`` allowed before them; a value may stand in quotes;
             without quotes `` #`` begins a remark. Nothing is expanded.
    Raises:  BadLine with the line's number, never its text: it may hold a key.
    """
    variables = {}
    for number, line in enumerate(text.splitlines(), 1):
        stripped = line.strip()
        if not stripped or stripped.startswith("#"):
            continue
        found = _NAME.fullmatch(stripped)
        if not found:
            raise BadLine(f"line {number} of .env is not NAME=value")
        name, value = found.groups()
        variables[name] = _unquoted(value, number)
    return variables


def _unquoted(value: str, number: int) -> str:
    if value.lstrip()[:1] not in {"'", '"'}:
        return re.sub(r"\s#.*", "", value).strip()
    quoted = _QUOTED.fullmatch(value)
    if not quoted:
        raise BadLine(f"line {number} of .env has a quote that does not close at its end")
    return quoted[1] if quoted[1] is not None else quoted[2]
