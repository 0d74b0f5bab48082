"""The environment of a long-running process, with what stands in secrets of AWS put into it."""

from __future__ import annotations

from collections.abc import Mapping

from streaming_runtime.core.secret_arns import revealed, secret_arns


def with_secrets(environ: Mapping[str, str]) -> Mapping[str, str]:
    """Return the environment as it would be without ARNs; read once, as all of it.

    Raises:  ConfigurationInvalid; Overloaded while Secrets Manager cannot be reached.
    """
    arns = secret_arns(environ)
    if not arns:
        return environ
    # Brings boto3, which takes longer to import than all else.
    from streaming_runtime.aws.secrets import read_secrets  # noqa: PLC0415

    return revealed(environ, read_secrets(arns))
