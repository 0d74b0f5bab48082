"""The start function behind API Gateway or a load balancer: wiring only."""

from __future__ import annotations

import os

from functions.composition import function_handler
from functions.start.routes import router
from streaming_runtime.processing.catalog import Catalog

handler = function_handler("start", router, os.environ, Catalog())
