"""A system that answers what was recorded of it: a HAR file, played back for tests.

    python -m crossdock.sandbox.replay FILE --port 9200
    with replaying("depot.har") as url: ...                 in a test

An answer is found by method, path, query and body, each recorded answer once in its order; the last one is
given again, as to somebody who asks whether there is news. Where the recording has `***`, whatever stands
there fits, and so does any idempotency key of ours in the place of another. What nothing was recorded for is
answered with 404, and told how many were for that path.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import re
import sys
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

_GONE = "***"
_KEY = re.compile(r"XD[0-9a-f]{24}")
_NOT_OURS = frozenset({"content-length", "content-encoding", "transfer-encoding", "connection", "date"})


@dataclass(slots=True)
class _Entry:
    method: str
    path: str
    query: list[tuple[str, str]]
    body: Any
    status: int
    headers: list[tuple[str, str]]
    answer: bytes
    used: int = 0


class Recording:
    """What was recorded, and how often each answer was given."""

    def __init__(self, file: str | Path) -> None:
        """Read a HAR 1.2 file. Raises `ValueError` where it is none."""
        try:
            self._entries = [_entry(one) for one in json.loads(Path(file).read_text())["log"]["entries"]]
        except (KeyError, TypeError, AttributeError, json.JSONDecodeError) as error:
            raise ValueError(f"{file} is no HAR file: {error!r}") from None
        self._lock = threading.Lock()

    def __len__(self) -> int:
        """How many answers there are."""
        return len(self._entries)

    def answer(self, method: str, address: str, body: bytes) -> tuple[int, list[tuple[str, str]], bytes]:
        """Status, headers and body of the answer to a request; `address` is path and query."""
        split = urlsplit(address)
        query, asked = sorted(parse_qsl(split.query, keep_blank_values=True)), _read(body)
        with self._lock:
            there = [
                one
                for one in self._entries
                if one.method == method
                and _fits(one.path, split.path)
                and _fits([list(pair) for pair in one.query], [list(pair) for pair in query])
                and _fits(one.body, asked)
            ]
            if not there:
                return 404, [("content-type", "application/json")], self._nothing(method, address)
            found = min(there, key=lambda one: one.used) if any(not one.used for one in there) else there[-1]
            found.used += 1
        return found.status, found.headers, found.answer

    def _nothing(self, method: str, address: str) -> bytes:
        path = urlsplit(address).path
        near = [one for one in self._entries if one.method == method and _fits(one.path, path)]
        said = f"nothing was recorded for {method} {address}"
        if near:
            said += f"; {len(near)} were for that path, with another query or body"
        return json.dumps({"error": {"code": "not_recorded", "message": said}}).encode()


@contextlib.contextmanager
def replaying(file: str | Path, *, port: int = 0) -> Iterator[str]:
    """While inside, the recording answers at the address that this gives. Raises `ValueError`, `OSError`."""
    server = ThreadingHTTPServer(("127.0.0.1", port), _handler(Recording(file)))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def main(argv: Sequence[str] | None = None) -> int:
    """Answer until told to stop; status 1 where the file or the port will not do."""
    parser = argparse.ArgumentParser(prog="crossdock sandbox --replay", description="Play back a HAR file.")
    parser.add_argument("file", type=Path)
    parser.add_argument("--port", type=int, default=0)
    arguments = parser.parse_args(argv)
    try:
        with replaying(arguments.file, port=arguments.port) as url:
            sys.stdout.write(json.dumps({"replay": {"url": url}}) + "\n")
            sys.stdout.flush()
            threading.Event().wait()
    except (ValueError, OSError) as error:
        sys.stderr.write(f"crossdock.sandbox: {error}\n")
        return 1
    except KeyboardInterrupt:
        pass
    return 0


def _handler(recording: Recording) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length") or 0))
            status, headers, answer = recording.answer(self.command, self.path, body)
            self.send_response(status)
            for name, value in headers:
                self.send_header(name, value)
            self.send_header("content-length", str(len(answer)))
            self.end_headers()
            self.wfile.write(b"" if self.command == "HEAD" else answer)

        do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = _answer  # noqa: N815 - as the server calls them

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - as it is called there
            pass

    return Handler


def _entry(one: Any) -> _Entry:
    asked, told = one["request"], one["response"]
    split = urlsplit(asked["url"])
    return _Entry(
        method=asked["method"],
        path=split.path,
        query=sorted(parse_qsl(split.query, keep_blank_values=True)),
        body=_read(asked.get("postData", {}).get("text", "").encode()),
        status=told["status"],
        headers=[
            (header["name"], header["value"])
            for header in told["headers"]
            if header["name"].lower() not in _NOT_OURS and header["value"] != _GONE
        ],
        answer=told["content"].get("text", "").encode(),
    )


def _read(body: bytes) -> Any:
    """A body as it is compared: JSON by its values, a form by its pairs, else the text."""
    text = body.decode(errors="replace")
    try:
        return json.loads(text)
    except ValueError:
        pairs = parse_qsl(text, keep_blank_values=True, strict_parsing=False)
        return [list(pair) for pair in sorted(pairs)] if pairs else text


def _fits(recorded: Any, asked: Any) -> bool:
    if isinstance(recorded, dict) and isinstance(asked, dict):
        return recorded.keys() == asked.keys() and all(
            _fits(recorded[name], asked[name]) for name in recorded
        )
    if isinstance(recorded, list) and isinstance(asked, list):
        return len(recorded) == len(asked) and all(map(_fits, recorded, asked))
    if isinstance(recorded, str) and (_GONE in recorded or _KEY.search(recorded)):
        parts = re.split(rf"({re.escape(_GONE)}|{_KEY.pattern})", recorded)
        pattern = "".join(map(_pattern, parts))
        return re.fullmatch(pattern, str(asked), re.DOTALL) is not None
    return bool(recorded == asked)


def _pattern(part: str) -> str:
    if part == _GONE:
        return ".*"
    return _KEY.pattern if _KEY.fullmatch(part) else re.escape(part)


if __name__ == "__main__":
    sys.exit(main())
