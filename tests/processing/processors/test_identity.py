from streaming_runtime.processing.catalog import Catalog


def test_the_result_is_the_very_same_bytes() -> None:
    data = b' {"a" : 1.0, "a": 9007199254740993,\n"b":"\\u00e9"} '

    assert Catalog().process("identity", {})(data) is data
