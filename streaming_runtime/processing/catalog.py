"""The processors that exist, by name."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from streaming_runtime.core.errors import InvalidBody
from streaming_runtime.processing.processor import Process, Processor
from streaming_runtime.processing.processors import identity, jmespath, reject, uppercase

# A new processor is one file beside these, and its name here.
PROCESSORS = [module.PROCESSOR for module in (identity, jmespath, reject, uppercase)]


class Catalog:
    """Implements core.ports.ProcessorCatalog, and makes what it lists."""

    def __init__(self, processors: Sequence[Processor] = tuple(PROCESSORS)) -> None:
        self._processors = {processor.name: processor for processor in processors}

    def names(self) -> Sequence[str]:
        return list(self._processors)

    def check(self, name: str, parameters: dict[str, Any]) -> None:
        self.process(name, parameters)

    def process(self, name: str, parameters: dict[str, Any]) -> Process:
        """Return the function that a processor with these parameters is.

        Raises:  InvalidBody, with what to change.
        """
        processor = self._processors.get(name)
        if processor is None:
            raise InvalidBody(
                f"There is no processor {name[:100]!r}: use one of {', '.join(self._processors)}"
            )
        try:
            typed = msgspec.convert(parameters, processor.parameters, strict=True)
        except msgspec.ValidationError as exc:
            raise InvalidBody(_unlike(processor, exc)) from exc
        return processor.make(typed)


def _unlike(processor: Processor, failure: msgspec.ValidationError) -> str:
    fields = ", ".join(processor.parameters.__struct_fields__)
    takes = f"takes {fields}" if fields else "takes no parameters"
    # These texts hold names of fields and types, and nothing else of the client's.
    return f"The processor {processor.name} {takes}: {str(failure)[:200]}"
