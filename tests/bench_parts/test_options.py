import pytest

from tests.bench.options import read


def test_without_arguments_the_product_is_started_and_measured_at_three_rates() -> None:
    options = read([])

    assert not options.is_given
    assert options.rates == (1000, 2000, 5000)
    assert (options.readers, options.connections, options.batch) == (1000, 64, 1)


def test_a_given_product_is_named_by_its_url(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("API_KEY", raising=False)

    options = read(["--url", "http://[::1]:9000/", "--rates", "10,20"])

    assert options.is_given
    assert (options.host, options.port, options.rates) == ("::1", 9000, (10, 20))
    assert options.key == "test-api-key"


def test_the_key_comes_from_the_flag_or_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("API_KEY", "from-environment")

    assert read([]).key == "from-environment"
    assert read(["--key", "from-flag"]).key == "from-flag"


def test_what_follows_two_dashes_is_for_the_product() -> None:
    assert read(["--readers", "5", "--", "--partitions", "24"]).product == ("--partitions", "24")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--rates", "0"], "less than 1"),
        (["--rates", "a"], "invalid"),
        (["--seconds", "0"], "not above 0"),
        (["--seconds", "nan"], "not above 0"),
        (["--batch", "1001"], "more than the 1000"),
        (["--bytes", "5"], "less than the 31"),
        (["--batch", "2", "--mode", "websocket"], "a frame carries one record"),
        (["--url", "https://example.org"], "http://HOST:PORT"),
        (["--url", "http://h:1", "--", "--no-processing"], "already running"),
        (["--url", "http://h:1", "--beside", "program"], "leave out --url"),
        (["--plot", "latency.txt"], ".svg or .png"),
    ],
)
def test_what_cannot_be_measured_is_refused_in_words(
    arguments: list[str], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as caught:
        read(arguments)

    assert caught.value.code == 2
    assert words in capsys.readouterr().err
