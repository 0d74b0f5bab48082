"""Offers to change the protocol: WebSocket is taken, any other is passed over."""

from __future__ import annotations

from httptools import HttpParserError, HttpParserUpgrade, HttpRequestParser

from streaming_runtime.live.exchanges import Exchanges

OFFER_FIELDS = (b"upgrade", b"http2-settings", b"connection")


class UpgradesDeclined(Exchanges):
    """HTTP/1.1 that reads on behind an offer of HTTP/2, as Java's client and curl make it.

    The parser takes what follows such a head for another protocol, so that the body of the request
    was lost. The request is read once more, without the offer.

    Source:  RFC 9110, section 7.8: a server may ignore it.
    """

    def data_received(self, data: bytes) -> None:
        rest: bytes | None = data
        while rest is not None:
            rest = self._read(rest)
        if self._is_to_begin:
            self.begin()

    def on_headers_complete(self) -> None:
        if not self._is_passed_over():
            super().on_headers_complete()

    def _read(self, data: bytes) -> bytes | None:
        """Parse ``data``; return what is to be parsed behind it, None if that was all."""
        try:
            self.parser.feed_data(data)
        except HttpParserUpgrade as offer:
            if self._should_upgrade():
                self.handle_websocket_upgrade()
            elif any(name == b"upgrade" for name, _ in self.headers):
                return self._without_offer() + data[offer.args[0] :]
            else:
                # CONNECT, which changes the protocol by itself: we are no proxy.
                self.send_400_response("")
        except HttpParserError:
            self.send_400_response("")
        return None

    def _is_passed_over(self) -> bool:
        return self.parser.should_upgrade() and not self._should_upgrade()

    def _without_offer(self) -> bytes:
        """Return the head that was read, without the offer, and a parser that has not seen it."""
        method, version = self.parser.get_method(), self.parser.get_http_version().encode()
        head = [b"%b %b HTTP/%b" % (method, self.url, version)]
        for name, value in self.headers:
            if name not in OFFER_FIELDS:
                head.append(b"%b: %b" % (name, value))
            elif name == b"connection" and b"close" in value.lower():
                head.append(b"connection: close")
        self.parser = HttpRequestParser(self)
        self.parser.set_dangerous_leniencies(lenient_data_after_close=True)
        return b"\r\n".join([*head, b"\r\n"])
