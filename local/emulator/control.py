"""A second port: what the sandboxes have done, and faults to be armed."""

import asyncio
import json
from collections.abc import Mapping

from local.emulator.events import FORMS
from local.emulator.faults import FaultPlan, UnknownFault
from local.emulator.gateway import Gateway
from local.emulator.http_server import HttpServer, Reply, Request, Taken
from local.emulator.sandboxes import Sandboxes


class Control:
    """What the second port answers.

    Shape:   ``GET /state`` · ``POST /faults {"function", "fault", "times"}`` · ``DELETE /faults`` ·
             ``PUT /events {"form"}``.
    """

    def __init__(
        self, functions: Mapping[str, Sandboxes], faults: FaultPlan, gateway: Gateway
    ) -> None:
        self._functions = functions
        self._faults = faults
        self._gateway = gateway
        self._server = HttpServer(self._answer)

    async def open(self, host: str, port: int) -> int:
        """Listen, and return the port."""
        return await self._server.open(host, port)

    async def close(self) -> None:
        await self._server.close()

    async def _answer(
        self, request: Request, _reader: asyncio.StreamReader, _writer: asyncio.StreamWriter
    ) -> Reply | Taken:
        match request.method, request.raw_path:
            case "GET", "/state":
                return _json(200, self._state())
            case "POST", "/faults":
                return self._arm(request.body)
            case "DELETE", "/faults":
                self._faults.clear()
                return _json(200, self._state())
            case "PUT", "/events":
                return self._choose(request.body)
        known = "GET /state, POST /faults, DELETE /faults or PUT /events"
        return _json(404, {"message": known})

    def _arm(self, body: bytes) -> Reply:
        try:
            asked = json.loads(body)
            self._faults.arm(asked["function"], asked["fault"], asked.get("times", 1))
        except UnknownFault as wrong:
            return _json(400, {"message": str(wrong)})
        except (ValueError, KeyError, TypeError, AttributeError):
            shape = '{"function": "send", "fault": "cut", "times": 1}, or null for always'
            return _json(400, {"message": f"the body is not {shape}"})
        return _json(200, self._state())

    def _choose(self, body: bytes) -> Reply:
        try:
            self._gateway.form = FORMS[FORMS.index(json.loads(body)["form"])]
        except (ValueError, KeyError, TypeError):
            return _json(400, {"message": f'the body is not {{"form": one of {FORMS}}}'})
        return _json(200, self._state())

    def _state(self) -> dict[str, object]:
        return {
            "functions": {name: one.as_json() for name, one in self._functions.items()},
            "events": self._gateway.form,
            "faults": [armed.as_json() for armed in self._faults.armed],
        }


def _json(status: int, body: object) -> Reply:
    return Reply(status, json.dumps(body).encode(), [("Content-Type", "application/json")])
