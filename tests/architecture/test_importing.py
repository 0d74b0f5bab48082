"""Importing a module only defines."""

import json
import os
import subprocess
import sys
from typing import Any

import pytest

from tests.architecture.tree import PRODUCT, ROOT, modules

# Run in a process of its own: imports all modules, and notes what each of them does besides.
WATCH = """
import importlib, json, os, sys, threading

current, noted = "", {}
WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_TRUNC
WATCHED = {"socket.bind", "socket.connect", "socket.getaddrinfo", "subprocess.Popen", "os.mkdir",
           "os.remove", "os.rename", "os.rmdir", "os.putenv", "os.system", "os.fork",
           "signal.pthread_kill", "shutil.rmtree"}

def note(what):
    noted.setdefault(current, []).append(what)

def watch(event, args):
    if event == "open":
        path, mode, flags = args
        is_writing = isinstance(flags, int) and flags & WRITES
        if is_writing and path != os.devnull:
            note(f"opens {path} for writing")
    elif event in WATCHED or event == "socket.__new__":
        note(event)

start = threading.Thread.start
def started(thread):
    note(f"starts the thread {thread.name}")
    start(thread)
threading.Thread.start = started

for name in json.loads(sys.argv[1]):
    importlib.import_module(name)
handlers = len(__import__("logging").getLogger().handlers)

sys.addaudithook(watch)
for name in json.loads(sys.argv[2]):
    current = name
    importlib.import_module(name)
current = "after all"
for thread in threading.enumerate():
    if thread is not threading.main_thread():
        note(f"leaves the thread {thread.name}")
if len(__import__("logging").getLogger().handlers) != handlers:
    note("changes the handlers of the root logger")
print(json.dumps(noted))
"""
# Third parties first: what they do at their import is not ours to answer for.
THIRD_PARTIES = (
    "aiokafka",
    "aiokafka.admin",
    "aws_lambda_powertools",
    "boto3",
    "confluent_kafka",
    "jmespath",
    "litestar",
    "mangum",
    "msgspec",
    "prometheus_client",
    "pydantic",
    "quixstreams",
    "rocksdict",
    "uvicorn",
    "uvicorn.protocols.http.httptools_impl",
    "uvicorn.protocols.websockets.websockets_sansio_impl",
)


def run(script: str, *arguments: str) -> Any:
    """Return what a script prints as JSON, from a process without variables of ours."""
    environ = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    done = subprocess.run(
        [sys.executable, "-c", script, *arguments],
        cwd=ROOT,
        env={**environ, "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_importing_everything_opens_starts_and_writes_nothing() -> None:
    names = sorted(modules(*PRODUCT))

    noted = run(WATCH, json.dumps(THIRD_PARTIES), json.dumps(names))

    assert noted == {}
    assert len(names) > 50


def test_the_watch_notices_what_it_is_there_for() -> None:
    seen = run(WATCH, "[]", json.dumps(["tests.architecture.misbehaving"]))

    assert seen["tests.architecture.misbehaving"] == [
        "socket.__new__",
        "starts the thread busy",
    ]


LOADED = "import importlib, json, sys; importlib.import_module(sys.argv[1])"
LOADED += "; print(json.dumps(sorted(sys.modules)))"
# What a Lambda function would pay for with every cold start. The bare name botocore costs nothing:
# Powertools looks whether it is there.
HEAVY = {"boto3", "moto", "uvicorn", "quixstreams", "confluent_kafka", "rocksdict", "local"}
HEAVY |= {"tests", "jgo", "hypothesis", "pytest", "jsonschema", "prometheus_client"}
HEAVY |= {"joserfc", "cryptography"}
HEAVY_PARTS = {"botocore.client", "botocore.session", "streaming_runtime.live", "litestar.testing"}
FUNCTIONS = ("start", "send", "results", "streams")


@pytest.mark.parametrize("function", FUNCTIONS)
def test_a_functions_import_loads_nothing_that_it_does_not_need(function: str) -> None:
    loaded = run(LOADED, f"functions.{function}.handler")

    assert HEAVY & {name.split(".")[0] for name in loaded} == set()
    assert HEAVY_PARTS & set(loaded) == set()


def test_sending_loads_no_processor() -> None:
    loaded = run(LOADED, "functions.send.handler")

    assert [name for name in loaded if name.startswith("streaming_runtime.processing")] == []


def test_every_function_is_measured() -> None:
    handlers = {name.split(".")[1] for name in modules("functions") if name.endswith(".handler")}

    assert handlers == set(FUNCTIONS)
