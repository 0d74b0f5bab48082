"""What goes into a function besides our own code: an explicit list, held by a test.

What a package declares to need is no guide: Litestar asks for 33 MB (faker, pygments, rich, httpx)
that no function imports. So what is not named here stays out, and the tests import and call each
function with nothing else.
"""

from local.build.functions import Function

EVERYWHERE = (
    "aiokafka",
    "async-timeout",  # by aiokafka
    "packaging",  # by aiokafka
    "typing-extensions",  # by aiokafka, litestar and the Powertools
    "litestar",
    "anyio",  # by litestar
    "idna",  # by anyio
    "sniffio",  # by anyio and litestar
    "multidict",  # by litestar
    "multipart",  # by litestar
    "pyyaml",  # by litestar, which imports it and uses it for a document that we do not serve
    "msgspec",
    "mangum",
    "aws-lambda-powertools",
    "jmespath",  # by the Powertools and the processors' expressions
    "aws-msk-iam-sasl-signer-python",
    "joserfc",  # bearer tokens; imported where JWT_ISSUER is set
    "cryptography",  # by joserfc: half of all there is
    "cffi",  # by cryptography, and only its _cffi_backend
)
# Checking a processor's parameters; pydantic takes longer to import than all else of ours.
IN_START = ("pydantic", "pydantic-core", "annotated-types", "typing-inspection")
# Where these stand, Lambda's own are used: they are in its runtime, and 34 MB.
OF_THE_RUNTIME = ("boto3", "botocore", "s3transfer", "python-dateutil", "six", "urllib3")
# Parts of the packages above that nothing of ours reaches.
LEFT_OUT = (
    "bin",
    "aiokafka/record/_crecords/*.pyi",
    "aws_lambda_powertools/event_handler",
    "aws_lambda_powertools/utilities/batch",
    "aws_lambda_powertools/utilities/data_classes",
    "aws_lambda_powertools/utilities/data_masking",
    "aws_lambda_powertools/utilities/feature_flags",
    "aws_lambda_powertools/utilities/kafka",
    "aws_lambda_powertools/utilities/parser",
    "aws_lambda_powertools/utilities/streaming",
    "aws_lambda_powertools/utilities/validation",
    "cffi",
    "cryptography/fernet.py",
    "cryptography/hazmat/asn1",
    "cryptography/hazmat/primitives/serialization/pkcs*.py",
    "cryptography/hazmat/primitives/twofactor",
    "cryptography/x509/ocsp.py",
    "joserfc/drafts",
    "litestar/channels",
    "litestar/cli",
    "litestar/testing",
    "multidict/_testcapi*",
    "pydantic/mypy.py",
    "yaml/_yaml*",  # the fast form; without it the plain one is imported
    # pip's notes: what it wrote and when. METADATA stays: packages look up their own version there.
    "*.dist-info/INSTALLER",
    "*.dist-info/RECORD",
    "*.dist-info/REQUESTED",
    "*.dist-info/sboms",
    "*.dist-info/direct_url.json",
)


def package_sets(function: Function) -> tuple[tuple[str, ...], ...]:
    """Return the sets of packages of a function; a set is installed once for all that share it."""
    return (EVERYWHERE, IN_START) if function.name == "start" else (EVERYWHERE,)
