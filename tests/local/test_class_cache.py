import os
from pathlib import Path

import pytest

from local import class_cache

FAKE_JAVA = """#!/bin/sh
for argument; do case $argument in
  -XX:SharedArchiveFile=*) cat names > "${argument#*=}" ;;
esac; done
"""


@pytest.fixture
def java(tmp_path: Path) -> Path:
    """Give a Java whose archive is a copy of the list of names."""
    binary = tmp_path / "java" / "bin" / "java"
    modules = tmp_path / "java" / "lib" / "modules"
    for file in (binary, modules):
        file.parent.mkdir(parents=True)
    binary.write_text(FAKE_JAVA)
    binary.chmod(0o755)
    modules.touch()
    return binary


@pytest.fixture
def jar(tmp_path: Path) -> Path:
    jar = tmp_path / "one.jar"
    jar.write_bytes(b"one")
    return jar


@pytest.fixture
def names(tmp_path: Path) -> Path:
    names = tmp_path / "names"
    names.write_text("java/lang/Object\n")
    return names


def test_other_jars_or_another_java_have_another_archive(
    java: Path, jar: Path, tmp_path: Path
) -> None:
    first = class_cache.archive(java, [jar], tmp_path)
    os.utime(jar, (1, 1))
    second = class_cache.archive(java, [jar], tmp_path)
    os.utime(java.parent.parent / "lib" / "modules", (2, 2))
    third = class_cache.archive(java, [jar], tmp_path)

    assert len({first, second, third}) == 3
    assert third == class_cache.archive(java, [jar], tmp_path)


async def test_a_broker_notes_its_classes_until_there_is_an_archive(
    java: Path, jar: Path, names: Path, tmp_path: Path
) -> None:
    file = class_cache.archive(java, [jar], tmp_path)
    before = class_cache.flags(file, names)

    made = await class_cache.make(java, [jar], names, file)

    assert before == [f"-XX:DumpLoadedClassList={names}"]
    assert made
    assert file.read_text() == names.read_text()
    assert class_cache.flags(file, names) == [f"-XX:SharedArchiveFile={file}"]


async def test_archives_of_earlier_jars_are_removed_and_nothing_else_is_left(
    java: Path, jar: Path, names: Path, tmp_path: Path
) -> None:
    place = tmp_path / "place"
    place.mkdir()
    (place / "kafka-classes-0123.jsa").touch()
    (place / "kafka-classes.new").mkdir()
    (place / "kafka-classes.new" / "left-by-a-kill").touch()
    file = class_cache.archive(java, [jar], place)

    await class_cache.make(java, [jar], names, file)

    assert [left.name for left in place.glob("*.jsa")] == [file.name]
    assert not (place / "kafka-classes.new").exists()


async def test_where_it_cannot_be_made_the_broker_goes_without(
    java: Path, jar: Path, names: Path, tmp_path: Path
) -> None:
    nowhere = class_cache.archive(java, [jar], tmp_path / "no" / "such" / "place")
    fails = class_cache.archive(java, [jar], tmp_path)
    no_names = await class_cache.make(java, [jar], tmp_path / "none", fails)
    java.write_text("#!/bin/sh\nexit 1\n")

    assert not no_names
    assert not await class_cache.make(java, [jar], names, nowhere)
    assert not await class_cache.make(java, [jar], names, fails)
    assert not list(tmp_path.glob("*.jsa"))
