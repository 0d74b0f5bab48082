"""Where keys are kept: the file that was named, else where the settings say that streams are."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import NamedTuple

from streaming_runtime.core.beside_run import with_broker
from streaming_runtime.core.errors import ConfigurationInvalid
from streaming_runtime.core.key_file import KeyFile
from streaming_runtime.core.ports import IssuedKeyStore
from streaming_runtime.core.settings import KafkaSettings, registry_of
from streaming_runtime.kafka.keys_alone import keys_alone

IN_A_FILE = "; or keep keys in a file, with --file PATH"


class Place(NamedTuple):
    """A store of keys, and how to name it to a reader."""

    store: IssuedKeyStore
    name: str


@asynccontextmanager
async def place_of(environ: Mapping[str, str], file: str | None) -> AsyncIterator[Place]:
    """Open where keys are kept.

    Raises:  ConfigurationInvalid; BrokerUnavailable.
    """
    if file is not None:
        yield Place(_file(file), f"the file {file}")
        return
    registry, table = registry_of(environ)
    if registry == "dynamodb":
        # Brings boto3, which takes longer to import than all else.
        from streaming_runtime.aws.calls import Dynamo  # noqa: PLC0415
        from streaming_runtime.aws.keys import DynamoKeys  # noqa: PLC0415

        dynamo = Dynamo(table)
        try:
            yield Place(DynamoKeys(dynamo), f"the table {table}")
        finally:
            dynamo.close()
        return
    settings = KafkaSettings.from_env(with_broker(environ, IN_A_FILE))
    async with keys_alone(settings) as store:
        yield Place(store, f"the topic {settings.streams_topic} on {settings.broker}")


def _file(file: str) -> KeyFile:
    folder = Path(file).absolute().parent
    if not folder.is_dir():
        raise ConfigurationInvalid(f"--file {file}: there is no folder {folder}")
    return KeyFile(file, time.monotonic)
