"""Secrets of AWS Secrets Manager, read when they are first needed."""

from __future__ import annotations

import logging
from collections.abc import Mapping

import boto3
from aws_lambda_powertools.utilities.parameters import SecretsProvider
from aws_lambda_powertools.utilities.parameters.exceptions import GetParameterError
from botocore.config import Config
from botocore.exceptions import ClientError

from streaming_runtime.core.errors import ConfigurationInvalid, Overloaded

log = logging.getLogger("millrace.aws.secrets")

CONNECT_SECONDS = 1.0
READ_SECONDS = 2.0
# Trying again does not help: somebody has to allow it, or to make the secret.
HOPELESS = frozenset(
    {
        "AccessDeniedException",
        "DecryptionFailure",
        "InvalidParameterException",
        "InvalidRequestException",
        "ResourceNotFoundException",
        "UnrecognizedClientException",
    }
)


def read_secrets(arns: Mapping[str, str]) -> dict[str, str]:
    """Return the text of each secret by the variable that names its ARN; blocks meanwhile.

    Raises:  ConfigurationInvalid for one that may not be read or is not there; Overloaded while
             Secrets Manager cannot be reached.
    """
    return {name: _read(name, arn) for name, arn in arns.items()}


def _read(name: str, arn: str) -> str:
    session = boto3.Session(region_name=arn.split(":")[3])
    config = Config(
        connect_timeout=CONNECT_SECONDS,
        read_timeout=READ_SECONDS,
        retries={"total_max_attempts": 2, "mode": "standard"},
    )
    provider = SecretsProvider(boto_config=config, boto3_session=session)
    try:
        # Not from Powertools' own cache: who asks again wants to know what it is now.
        found = provider.get(arn, force_fetch=True)
    except GetParameterError as exc:
        # Powertools raises it while it handles what the client raised.
        failure = exc.__context__
        code = failure.response["Error"]["Code"] if isinstance(failure, ClientError) else ""
        log.warning("a secret cannot be read", extra={"setting": name, "reason": code})
        if code in HOPELESS:
            raise ConfigurationInvalid(f"The secret of {name} cannot be read: {code}") from exc
        raise Overloaded("The secrets of this deployment cannot be read now") from exc
    return found if isinstance(found, str) else bytes(found or b"").decode("utf-8", "replace")
