import pytest

from streaming_runtime.core import errors
from streaming_runtime.core.errors import StreamingError
from streaming_runtime.live.close_codes import code_of


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (errors.InvalidCursor(), 4400),
        (errors.InvalidParameter(), 4400),
        (errors.Unauthorized(), 4401),
        (errors.Forbidden(), 4401),
        (errors.UnknownStream(), 4404),
        (errors.RateLimited(), 4429),
        (errors.BrokerUnavailable(), 1012),
        (errors.Overloaded(), 4429),
    ],
)
def test_each_refusal_has_the_code_of_the_contract(error: StreamingError, code: int) -> None:
    assert code_of(error) == code
