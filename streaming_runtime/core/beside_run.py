"""What a command beside ``make run`` works with: the same ``.env``, and the broker of that run."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from streaming_runtime.core.dotenv import BadLine, load
from streaming_runtime.core.errors import ConfigurationInvalid


def environment(environ: Mapping[str, str]) -> Mapping[str, str]:
    """Return the environment over what ``.env`` says; an empty variable counts as unset.

    Raises:  ConfigurationInvalid for a line of ``.env`` that says nothing.
    """
    try:
        dotenv = load(Path(".env"))
    except BadLine as problem:
        raise ConfigurationInvalid(str(problem)) from problem
    return {**dotenv, **{name: value for name, value in environ.items() if value}}


def with_broker(environ: Mapping[str, str], otherwise: str = "") -> Mapping[str, str]:
    """Return the environment with the broker of a running ``make run``, if none is named.

    Shape:   ``otherwise`` is what else can be done, for who has neither.
    Raises:  ConfigurationInvalid if there is neither.
    """
    if environ.get("KAFKA_BROKER", ""):
        return environ
    told = Path(environ.get("DATA_DIR", "") or ".local") / "broker"
    try:
        address = told.read_text(encoding="utf-8").strip()
    except OSError:
        raise ConfigurationInvalid(
            f"KAFKA_BROKER is not set, and no `make run` is running here ({told} is missing): start"
            " one in this folder (after --data DIR set DATA_DIR to the same), or name the broker of"
            f" your servers as host:port{otherwise}"
        ) from None
    return {**environ, "KAFKA_BROKER": address}
