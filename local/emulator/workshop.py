"""Makes sandboxes: the built folder, the runtime, the environment and the door to Kafka of each."""

from collections.abc import Callable, Mapping
from pathlib import Path

from local.build.failure import BuildFailed
from local.build.functions import FUNCTIONS, Function
from local.build.ready_made import ReadyMade
from local.emulator.faults import Fault, FaultPlan
from local.emulator.kafka_door import KafkaDoor
from local.emulator.runtime_folder import RuntimeMissing, make_runtime_folder
from local.emulator.sandbox import Sandbox
from local.emulator.sandboxes import Sandboxes
from local.emulator.setting import Limits, variables
from local.ports import LOOPBACK
from local.supervised import ChildFailed

ROOT = Path(__file__).resolve().parents[2]


class Workshop:
    """Shape:   ``data/lambda/runtime`` what the image has, ``data/logs/lambda-NAME.log``."""

    def __init__(
        self,
        data: Path,
        bootstrap: str,
        environ: Mapping[str, str],
        limits: Limits,
        faults: FaultPlan,
        mark: str,
    ) -> None:
        self._data = data
        self._bootstrap = bootstrap
        self._environ = {**environ, "KAFKA_BROKER": bootstrap}
        self._limits = limits
        self._faults = faults
        self._mark = mark
        if self._door() is None:
            faults.impossible = frozenset((Fault.CUT, Fault.HOLE))

    def all_functions(self) -> dict[str, Sandboxes]:
        """Build what has changed, and return each function by its name; none is started yet.

        Raises:  ChildFailed, with what keeps it from being built.
        """
        return {function.name: self.sandboxes(function) for function in FUNCTIONS}

    def sandboxes(self, function: Function) -> Sandboxes:
        """Return one function, built. Raises:  ChildFailed."""
        return Sandboxes(function, self._maker(function), self._limits.most_sandboxes, self._faults)

    def log(self, function: Function) -> Path:
        return self._data / "logs" / f"lambda-{function.name}.log"

    def _maker(self, function: Function) -> Callable[[], Sandbox]:
        try:
            runtime = make_runtime_folder(self._data / "lambda" / "runtime")
            task_root = ReadyMade(ROOT).directory(function)
        except (BuildFailed, RuntimeMissing) as problem:
            raise ChildFailed(str(problem)) from problem
        self.log(function).parent.mkdir(parents=True, exist_ok=True)
        environ = variables(function, task_root, runtime, self._environ, self._limits)

        def make() -> Sandbox:
            return Sandbox(
                function,
                environ,
                task_root,
                self.log(function),
                self._limits,
                self._faults,
                self._door(),
                self._mark,
            )

        return make

    def _door(self) -> KafkaDoor | None:
        """Return a door, where there is one broker that tells its clients the address we know."""
        is_here = self._bootstrap.rpartition(":")[0] == LOOPBACK
        is_plain = self._environ.get("KAFKA_SECURITY", "plaintext") == "plaintext"
        return KafkaDoor(self._bootstrap) if is_here and is_plain else None
