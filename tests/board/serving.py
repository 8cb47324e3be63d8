"""The board as `dlrun board` serves it, in a process of its own."""

import http.client
import json
import signal
from contextlib import contextmanager
from dataclasses import dataclass
from urllib.parse import urlsplit

from tests.cli.commands import wait_until


@dataclass(frozen=True)
class Answer:
    status: int
    headers: dict
    text: str

    def json(self):
        return json.loads(self.text)


@dataclass(frozen=True)
class Served:
    process: object
    address: str

    def get(self, path, **headers):
        """What the board answers, byte by byte as asked: no client tidies the path."""
        where = urlsplit(self.address)
        connection = http.client.HTTPConnection(where.hostname, where.port, timeout=60)
        connection.putrequest("GET", path, skip_host="Host" in headers)
        for name, value in headers.items():
            connection.putheader(name.replace("_", "-"), value)
        connection.endheaders()
        response = connection.getresponse()
        text = response.read().decode("utf-8", "replace")
        connection.close()
        return Answer(response.status, {name.lower(): value for name, value in response.getheaders()}, text)

    def rows(self):
        return {row["id"]: row for row in self.get("/api/runs").json()["rows"]}

    def wait_for_report(self, name):
        """The report's page, once it is there."""
        self.get(f"/runs/{name}/report.html")
        wait_until(lambda: self.get(f"/api/report/{name}").json()["state"] != "waiting", 100)
        return self.get(f"/runs/{name}/report.html")


@contextmanager
def serving(place, *arguments):
    """Serve a workplace's runs; end it as a user does, which must be quiet."""
    process = place.start("board", "--port", "0", *arguments)
    line = process.stdout.readline()
    assert line.startswith("the board of "), line + process.stderr.read()
    try:
        yield Served(process, line.rpartition(": ")[2].split()[0])
    finally:
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=30)
    assert (process.returncode, out) == (0, ""), err
    assert err == ""
