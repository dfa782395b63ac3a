"""An HTTP server that gives scripted answers in order, and records the requests."""

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

from retailflow.environments import Source


@dataclass(frozen=True)
class Answer:
    """An answer. `cut` is how many announced bytes are not sent; `pause` is seconds in the middle of the body."""

    body: bytes = b""
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    cut: int = 0
    is_chunked: bool = False
    pause: float = 0


@dataclass
class ScriptedApi:
    """A running server. `asked` has the query of each request, `tokens` its Authorization header."""

    url: str
    answers: list[Answer]
    asked: list[dict[str, str]] = field(default_factory=list)
    tokens: list[str | None] = field(default_factory=list)

    def source(self, **settings: int) -> Source:
        return Source(base_url=self.url, token_secret="unused", **settings)


def page(*orders: object, cursor: object = None) -> bytes:
    return json.dumps({"orders": orders, "next_cursor": cursor}).encode()


def halves(body: bytes) -> list[bytes]:
    middle = len(body) // 2
    return [part for part in (body[:middle], body[middle:]) if part] or [b""]


@contextmanager
def scripted_api(*answers: Answer | bytes) -> Iterator[ScriptedApi]:
    """Start a server with these answers; bytes are pages. It repeats the last answer."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            answer = api.answers[min(len(api.asked), len(api.answers) - 1)]
            api.asked.append({name: values[-1] for name, values in parse_qs(urlsplit(self.path).query).items()})
            api.tokens.append(self.headers.get("Authorization"))
            self.send_response_only(answer.status)
            for name, value in answer.headers.items():
                self.send_header(name, value)
            if answer.is_chunked:
                self.send_header("Transfer-Encoding", "chunked")
                pieces = [b"%x\r\n%s\r\n" % (len(part), part) for part in halves(answer.body)]
                pieces.append(b"" if answer.cut else b"0\r\n\r\n")
            else:
                self.send_header("Content-Length", str(len(answer.body)))
                pieces = halves(answer.body[: len(answer.body) - answer.cut])
            self.end_headers()
            self.wfile.write(pieces[0])
            time.sleep(answer.pause)
            self.wfile.write(b"".join(pieces[1:]))
            self.close_connection = bool(answer.cut)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    script = [answer if isinstance(answer, Answer) else Answer(answer) for answer in answers]
    api = ScriptedApi(f"http://127.0.0.1:{server.server_port}", script)
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    try:
        yield api
    finally:
        server.shutdown()
        server.server_close()
