"""All that is used of quixstreams, imported here alone."""

from __future__ import annotations

import warnings

with warnings.catch_warnings(record=True):
    # Its schema registry, which we do not use, announces a deprecation at each import.
    warnings.simplefilter("ignore")
    from quixstreams import Application
    from quixstreams.exceptions import QuixException
    from quixstreams.kafka import ConnectionConfig
    from quixstreams.models import MessageContext, Row, Topic

__all__ = ["Application", "ConnectionConfig", "MessageContext", "QuixException", "Row", "Topic"]
