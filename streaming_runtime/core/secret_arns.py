"""Settings that may stand in a secret of AWS: which, and what a secret of each must hold."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping

from streaming_runtime.core.errors import ConfigurationInvalid

ARN = re.compile(r"arn:aws[a-z-]*:secretsmanager:[a-z0-9-]+:[0-9]{12}:secret:[A-Za-z0-9/_+=.@-]+")
# The variables that each secret stands for. More than one: the secret is JSON, its members named
# like them in lower case, without what they have in common; that is how MSK wants a SCRAM secret.
STANDS_FOR = {
    "SIGNING_SECRET_ARN": ("SIGNING_SECRET",),
    "API_KEYS_ARN": ("API_KEYS",),
    "KAFKA_SECRET_ARN": ("KAFKA_USERNAME", "KAFKA_PASSWORD"),
}


def secret_arns(environ: Mapping[str, str]) -> dict[str, str]:
    """Return the ARN of each secret that has to be read, by the variable that names it.

    Raises:  ConfigurationInvalid for what is no ARN, and for a secret beside what it stands for.
    """
    arns = {name: arn for name in STANDS_FOR if (arn := environ.get(name, ""))}
    for name, arn in arns.items():
        if ARN.fullmatch(arn) is None:
            raise ConfigurationInvalid(f"{name} ({arn}) is not the ARN of a secret")
        for plain in STANDS_FOR[name]:
            if environ.get(plain, ""):
                raise ConfigurationInvalid(f"{name} and {plain} are both set: unset one of them")
    way = environ.get("KAFKA_SECURITY", "") or "plaintext"
    if "KAFKA_SECRET_ARN" in arns and way != "scram":
        raise ConfigurationInvalid(
            f"KAFKA_SECRET_ARN is set, but KAFKA_SECURITY ({way}) does not use it"
        )
    return arns


def revealed(environ: Mapping[str, str], secrets: Mapping[str, str]) -> dict[str, str]:
    """Return the environment with what the secrets hold in place of their ARNs.

    Shape:   ``secrets`` holds the text of each, by the variable that named it.
    Raises:  ConfigurationInvalid for a secret without what it has to hold; its text is not shown.
    """
    found = {name: value for name, value in environ.items() if name not in secrets}
    for name, text in secrets.items():
        found.update(_parts(name, text))
    return found


def _parts(name: str, text: str) -> dict[str, str]:
    plains = STANDS_FOR[name]
    if len(plains) == 1:
        parts = {plains[0]: text.strip()}
    else:
        members = _members(text)
        parts = {plain: members.get(plain.rpartition("_")[2].lower(), "") for plain in plains}
    for plain, value in parts.items():
        if not isinstance(value, str) or not value:
            raise ConfigurationInvalid(
                f"The secret of {name} does not hold what {plain} stands for"
            )
    return parts


def _members(text: str) -> dict[str, str]:
    try:
        members = json.loads(text)
    except ValueError:
        return {}
    return members if isinstance(members, dict) else {}
