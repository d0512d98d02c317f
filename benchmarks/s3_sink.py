"""An S3 server on loopback that takes objects and forgets what they hold, for next to nothing.

    python benchmarks/s3_sink.py

Prints its port, then serves until it is killed. What a client's own work costs can be told with
it on a machine that has no core to spare for a server.
"""

from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

_BLOCK = 1 << 20
_ETAG = '"00000000000000000000000000000000"'


class Sink(BaseHTTPRequestHandler):
    """Answers what pyarrow asks to write objects, whole or in parts, and to list none."""

    protocol_version = "HTTP/1.1"

    def do_PUT(self) -> None:
        """Take an object, or a part of one."""
        if self.headers.get("Expect") == "100-continue":
            self.send_response_only(100)
            self.end_headers()
        if self.headers.get("Transfer-Encoding") == "chunked":
            while size := int(self.rfile.readline().partition(b";")[0], 16):
                self._take(size + 2)
            while self.rfile.readline().strip():
                pass
        else:
            self._take(int(self.headers.get("Content-Length", 0)))
        self._answer("", etag=_ETAG)

    def do_POST(self) -> None:
        """Begin an object in parts, or put it together."""
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if "uploads" in parse_qs(urlsplit(self.path).query, keep_blank_values=True):
            self._answer(_xml("InitiateMultipartUploadResult", "<UploadId>1</UploadId>"))
        else:
            self._answer(_xml("CompleteMultipartUploadResult", f"<ETag>{_ETAG}</ETag>"))

    def do_GET(self) -> None:
        """List nothing."""
        listed = "<KeyCount>0</KeyCount><IsTruncated>false</IsTruncated>"
        self._answer(_xml("ListBucketResult", listed))

    def do_HEAD(self) -> None:
        """There is every bucket, and nothing in it."""
        self._answer("", 200 if urlsplit(self.path).path.count("/") == 1 else 404)

    def do_DELETE(self) -> None:
        """Nothing is there to be removed."""
        self._answer("", 204)

    def _take(self, left: int) -> None:
        """Read so many bytes, and forget them."""
        block = memoryview(bytearray(min(left, _BLOCK)))
        while left:
            left -= self.rfile.readinto(block[:left])

    def log_message(self, *arguments: object) -> None:
        """Print nothing: its output may be a pipe that nobody reads."""

    def _answer(self, body: str, status: int = 200, etag: str | None = None) -> None:
        self.send_response(status)
        if etag:
            self.send_header("ETag", etag)
        self.send_header("Content-Type", "application/xml")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body.encode())


def _xml(name: str, content: str) -> str:
    return f'<?xml version="1.0" encoding="UTF-8"?><{name}>{content}</{name}>'


def main() -> None:
    """Serve on a free port."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Sink)
    print(server.server_address[1], flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
