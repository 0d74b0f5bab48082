"""What ``make run`` starts, and functions with a gateway before it."""

import asyncio
import contextlib

from local.child_log import ChildLog
from local.composition import Product
from local.emulator.control import Control
from local.emulator.gateway import Gateway
from local.emulator.options import EmulatorOptions
from local.emulator.sandboxes import Sandboxes
from local.emulator.workshop import Workshop
from local.ports import LOOPBACK, free_port
from local.progress import say, warn
from local.supervised import Supervised

LOOK_SECONDS = 1.0
FRONTS = {"rest": "a REST API", "http": "an HTTP API", "alb": "a load balancer"}


class LambdaProduct(Product):
    """Functions answer on the port that make run's API has; the container has one of its own."""

    def __init__(self, options: EmulatorOptions) -> None:
        super().__init__(options.product)
        self._asked = options
        self.functions: dict[str, Sandboxes] = {}
        self.is_ready = asyncio.Event()
        self._public_port = 0
        self._gateway: Gateway | None = None
        self._control: Control | None = None
        self._following: asyncio.Task[None] | None = None
        self._workshop: Workshop | None = None

    @property
    def url(self) -> str:
        """Return where the functions are, as one would type it."""
        return f"http://{self._shown_host}:{self._public_port}"

    async def stop(self) -> None:
        """End gateway and functions, then what is behind them."""
        if self._following is not None:
            self._following.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._following
        for server in (self._gateway, self._control):
            if server is not None:
                await server.close()
        if self.functions:
            say("Stopping the functions")
        for function in self.functions.values():
            await function.close()
        await super().stop()

    def kill(self) -> None:
        """End all at once."""
        for function in self.functions.values():
            function.kill()
        super().kill()

    def _claim_port(self) -> None:
        super()._claim_port()
        self._public_port, self._port = self._port, free_port()
        while self._port == self._public_port:
            self._port = free_port()

    def _make_children(self, bootstrap: str) -> list[Supervised]:
        self._workshop = Workshop(
            self._directory.path,
            bootstrap,
            {**self._options.environ, "RUN_SEAL": self._seal},
            self._asked.limits,
            self._asked.faults,
            self._directory.mark.strip(),
        )
        return super()._make_children(bootstrap)

    async def _until_ready(self) -> None:
        assert self._workshop is not None
        # While broker and container come up: a first build takes some seconds of pip.
        building = asyncio.to_thread(self._workshop.all_functions)
        self.functions, _ = await asyncio.gather(building, super()._until_ready())
        has_cors = bool(self._options.http.cors_origins)
        self._gateway = Gateway(
            self.functions, self._port, self._asked.form, self._asked.results_from, has_cors
        )
        self._control = Control(self.functions, self._asked.faults, self._gateway)
        await self._gateway.open(self._options.http.host, self._public_port)
        control = await self._open_control(self._control)
        self._following = asyncio.create_task(self._follow(self._workshop))
        streams = "" if self._asked.results_from == "function" else "what streams, "
        say(
            f"Functions {', '.join(self.functions)} answer as behind"
            f" {FRONTS[self._asked.form]};"
            f"\n{streams}the page and the docs come from the container on port {self._port}."
            f"\nFaults and state: http://{LOOPBACK}:{control}/state"
        )
        self.is_ready.set()

    async def _open_control(self, control: Control) -> int:
        try:
            return await control.open(LOOPBACK, self._asked.control_port)
        except OSError:
            port = await control.open(LOOPBACK, 0)
            warn(f"--control-port {self._asked.control_port} is taken; it is {port} this time")
            return port

    async def _follow(self, workshop: Workshop) -> None:
        """Keep the functions' logs from growing without bound, and show what is loud in them."""
        logs = [
            ChildLog(name, workshop.log(sandboxes.function))
            for name, sandboxes in self.functions.items()
        ]
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            for log in logs:
                for line in log.news():
                    warn(f"  {line}")
