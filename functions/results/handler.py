"""The results function behind API Gateway or a load balancer: wiring only."""

from __future__ import annotations

import os

from functions.composition import function_handler
from functions.results.routes import router

handler = function_handler("results", router, os.environ)
