import pytest

from tests.bench.answers import NotHttp
from tests.bench.frames import CLOSE, PING, TEXT, Frame, Frames


def frame(opcode: int, body: bytes) -> bytes:
    size = len(body)
    if size < 126:
        return bytes((0x80 | opcode, size)) + body
    if size < 65_536:
        return bytes((0x80 | opcode, 126)) + size.to_bytes(2) + body
    return bytes((0x80 | opcode, 127)) + size.to_bytes(8) + body


@pytest.mark.parametrize("cut", [1, 2, 3, 9, 100_000])
def test_frames_of_every_size_come_out_whole_however_they_were_cut(cut: int) -> None:
    sent = [
        Frame(TEXT, b""),
        Frame(TEXT, b"a" * 125),
        Frame(PING, b"b"),
        Frame(TEXT, b"c" * 126),
        Frame(TEXT, b"d" * 65_536),
        Frame(CLOSE, b"\x03\xe8"),
    ]
    wire, frames = b"".join(frame(*each) for each in sent), Frames()

    found = [each for at in range(0, len(wire), cut) for each in frames.feed(wire[at : at + cut])]

    assert found == sent


@pytest.mark.parametrize("wire", [b"\x01\x05hello", b"\x81\x85maskhello"])
def test_fragments_and_masks_are_refused(wire: bytes) -> None:
    with pytest.raises(NotHttp):
        Frames().feed(wire)
