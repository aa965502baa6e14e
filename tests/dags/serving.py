"""A server of the test's own for as long as a block lasts."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import ThreadingHTTPServer
from socketserver import BaseRequestHandler, ThreadingTCPServer


@contextmanager
def serving(
    handler: type[BaseRequestHandler], kind: type[ThreadingTCPServer] = ThreadingHTTPServer
) -> Iterator[str]:
    """Its address, `127.0.0.1:PORT`."""
    with kind(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        thread.start()
        try:
            yield f"127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join()
