"""A broker's data folder and the identity that formatting gave it."""

import base64
import shutil
import uuid
from pathlib import Path

IDENTITY = "meta.properties"


class BrokerFailed(Exception):
    """A broker could not be started; the text has the reason and, if it ran, its log's end."""


def new_id() -> str:
    """Return a random id as Kafka writes them: of a cluster, or of a folder."""
    return base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")


def is_formatted(directory: Path) -> bool:
    """Return whether ``directory/data`` can be started from; False: it may be made anew.

    The copy of the identity mends a folder that lost the original but holds records.

    Raises:  BrokerFailed for what holds records but cannot be started from.
    """
    identity, data = directory / IDENTITY, directory / "data"
    current = data / IDENTITY
    if current.is_file() and current.stat().st_size:
        if not (data / "__cluster_metadata-0").is_dir():
            raise BrokerFailed(
                f"{data} has lost __cluster_metadata-0, without which no broker can start from"
                " it; put that folder back, or move all of it away to begin anew"
            )
        if not identity.is_file():
            _copy(current, identity)
        return True
    if data.exists() and identity.is_file():
        _copy(identity, current)
        return True
    if data.exists() and any(data.glob("*/*.log")):
        raise BrokerFailed(
            f"{data} holds records but no meta.properties, so the broker cannot tell whose"
            " they are; put that file back, or move the folder away to begin anew"
        )
    return False


def put_in_place(directory: Path) -> None:
    """Make ``data.new`` the data: formatting happens beside, so a kill leaves all or nothing."""
    shutil.rmtree(directory / "data", ignore_errors=True)  # Without records: seen above.
    (directory / "data.new").rename(directory / "data")
    _copy(directory / "data" / IDENTITY, directory / IDENTITY)


def seed(template: Path, fresh: Path, node_id: int) -> None:
    """Make a copy of formatted, never used data that is another node's of the same cluster."""
    shutil.copytree(template, fresh)
    own = {"node.id": str(node_id), "directory.id": new_id()}
    identity = {**_properties(template / IDENTITY), **own}
    lines = "".join(f"{name}={value}\n" for name, value in identity.items())
    (fresh / IDENTITY).write_text(lines, encoding="utf-8")


def cluster_of(identity: Path) -> str:
    """Return the id of the cluster that a ``meta.properties`` names."""
    return _properties(identity)["cluster.id"]


def _properties(file: Path) -> dict[str, str]:
    lines = file.read_text(encoding="utf-8").splitlines()
    pairs = (line.partition("=") for line in lines if not line.startswith("#") and "=" in line)
    return {name: value for name, _, value in pairs}


def _copy(source: Path, target: Path) -> None:
    unfinished = target.with_name(f"{target.name}.new")
    shutil.copyfile(source, unfinished)
    unfinished.replace(target)
