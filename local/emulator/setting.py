"""What Lambda gives a function: its variables, its limits, and nothing of this machine."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from local.build.functions import Function

REGION = "eu-central-1"
ACCOUNT = "123456789012"
# What template.yaml sets; a variable of the shell that it does not set must not help here.
PASSED_ON = (
    "API_KEY",
    "API_KEYS",
    "API_KEYS_ARN",
    # Where a stand-in of AWS listens; on Lambda they are unset.
    "AWS_ENDPOINT_URL",
    "AWS_ENDPOINT_URL_DYNAMODB",
    "AWS_ENDPOINT_URL_SECRETS_MANAGER",
    "CORS_ORIGINS",
    "DEFAULT_PROCESSOR",
    "DYNAMODB_TABLE",
    "KAFKA_BROKER",
    "KAFKA_CA_FILE",
    "KAFKA_CERTIFICATE_FILE",
    "KAFKA_KEY_FILE",
    "KAFKA_PARTITIONS",
    "KAFKA_PASSWORD",
    "KAFKA_SCRAM_MECHANISM",
    "KAFKA_SECRET_ARN",
    "KAFKA_SECURITY",
    "KAFKA_TOPIC_PREFIX",
    "KAFKA_USERNAME",
    "LOG_LEVEL",
    "RATE_LIMIT_BURST",
    "RATE_LIMIT_PER_SECOND",
    "RATE_LIMIT_READERS",
    "RUN_SEAL",
    "SIGNING_SECRET",
    "SIGNING_SECRET_ARN",
    "STREAM_REGISTRY",
)


@dataclass(frozen=True)
class Limits:
    """What a function may use."""

    timeout_seconds: float = 29.0
    memory_megabytes: int = 1024
    most_sandboxes: int = 10


def arn_of(function: Function) -> str:
    return f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:millrace-{function.name}"


def variables(
    function: Function, task_root: Path, runtime: Path, environ: Mapping[str, str], limits: Limits
) -> dict[str, str]:
    """Return the whole environment of a function's process, but for the address of its runtime API.

    Source:  AWS Lambda developer guide, "Defined runtime environment variables".
    """
    name = f"millrace-{function.name}"
    return {
        **{key: environ[key] for key in PASSED_ON if environ.get(key)},
        "AWS_ACCESS_KEY_ID": "emulated",
        "AWS_SECRET_ACCESS_KEY": "emulated",
        "AWS_SESSION_TOKEN": "emulated",
        "AWS_DEFAULT_REGION": REGION,
        "AWS_REGION": REGION,
        "AWS_EXECUTION_ENV": "AWS_Lambda_python3.13",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(limits.memory_megabytes),
        "AWS_LAMBDA_FUNCTION_NAME": name,
        "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
        "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
        "AWS_LAMBDA_LOG_FORMAT": "JSON",
        "AWS_LAMBDA_LOG_GROUP_NAME": f"/millrace/local/{function.name}",
        "AWS_LAMBDA_LOG_LEVEL": environ.get("LOG_LEVEL", "INFO").replace("WARNING", "WARN"),
        "AWS_LAMBDA_LOG_STREAM_NAME": "2026/01/01/[$LATEST]0123456789abcdef0123456789abcdef",
        "LAMBDA_RUNTIME_DIR": str(runtime),
        "LAMBDA_TASK_ROOT": str(task_root),
        "LANG": "en_US.UTF-8",
        "PATH": "/usr/local/bin:/usr/bin:/bin",
        # As on Lambda the function's own packages come before those of the runtime.
        "PYTHONPATH": f"{task_root}:{runtime}",
        "TZ": ":UTC",
        "_HANDLER": function.handler,
    }
