"""Reads ``.env``."""


class BadLine(Exception):
    """A line of ``.env`` is not ``NAME=value``."""


def parsed(text: str) -> dict[str, str]:
    """Return the variables of a ``.env`` file.

    Shape:   ``NAME=value`` lines, ``export`` allowed before them; a value may stand in quotes;
             without quotes `` #`` begins a remark. Nothing is expanded.
    Raises:  BadLine with the line's number, never its text: it may hold a key.
    """
    variables = {}
    for number, line in enumerate(text.splitlines(), 1):
        stripped = line.strip().removeprefix("export ").strip()
        if not stripped or stripped.startswith("#"):
            continue
        name, equals, value = stripped.partition("=")
        if not equals or not name.strip().isidentifier():
            raise BadLine(f"line {number} of .env is not NAME=value")
        variables[name.strip()] = _unquoted(value.strip())
    return variables


def _unquoted(value: str) -> str:
    if value[:1] in {"'", '"'}:
        end = value.find(value[0], 1)
        return value[1:end] if end > 0 else value[1:]
    return value.partition(" #")[0].rstrip() if not value.startswith("#") else ""
