"""The streams function behind API Gateway or a load balancer: wiring only."""

from __future__ import annotations

import os

from functions.composition import function_handler
from functions.streams.routes import router

handler = function_handler("streams", router, os.environ)
