"""What a record holds, as text that no terminal takes for an order."""

from __future__ import annotations


def safe(raw: bytes | str | None, most: int | None = None) -> str:
    """Return text in which every character can be seen, all others as escapes.

    Shape:  ``most`` characters of it, and then how much was left out; null for nothing at all.
    """
    if raw is None:
        return "null"
    text = raw.decode("utf-8", "backslashreplace") if isinstance(raw, bytes) else raw
    shown = text if most is None else text[:most]
    escaped = "".join(c if c.isprintable() else _escape(c) for c in shown)
    left_out = len(text) - len(shown)
    return f"{escaped} ... {left_out:,} characters more" if left_out else escaped


def _escape(character: str) -> str:
    return character.encode("unicode_escape", "surrogatepass").decode("ascii")
