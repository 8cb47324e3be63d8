"""The board as a web application: what each address answers, and whom."""

from __future__ import annotations

import gzip
import hashlib
import ipaddress
import json
import socket
from collections.abc import Awaitable, Callable
from functools import cache
from importlib import resources
from typing import Any
from urllib.parse import quote

from starlette.applications import Starlette
from starlette.datastructures import URL, Headers
from starlette.middleware import Middleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from dlrun.board.compare import comparison_page
from dlrun.board.finding import Found
from dlrun.board.listing import RunList
from dlrun.board.reading import stamp_of
from dlrun.board.reports import ReportShelf
from dlrun.errors import DlrunError, UsageError
from dlrun.report.page import Site, asset, render
from dlrun.runs.directory import RunDirectory

LIBRARY = "/static/plotly.js"
KINDS = {"css": "text/css", "js": "text/javascript"}
ASSETS = ("board.css", "board.js", "waiting.js", "live.js")
STRICT = "default-src 'none'; script-src 'self'; style-src 'self'; img-src data:; connect-src 'self'"
RELAXED = (
    "default-src 'none'; script-src 'self' 'unsafe-inline'; style-src 'self' 'unsafe-inline'; img-src data: blob:; "
    "connect-src 'self'"
)
"""What pages may load: nothing from elsewhere. Reports have their style and script inside."""
COMMON = "; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"


class Guard:
    """Answers only those who name this machine: a page of the web that points its own name at 127.0.0.1 (DNS
    rebinding) could read the board otherwise, and any page could have reports made.

    A name must be one of this machine's or the one that it listens at; an address in digits can't be rebound.
    """

    def __init__(self, app: ASGIApp, host: str) -> None:
        self.app = app
        self.names = {"localhost", host.lower(), socket.gethostname().lower(), socket.getfqdn().lower()}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or refuse it."""
        if scope["type"] == "http":
            headers = Headers(scope=scope)
            if not self.knows(headers.get("host", "")):
                await Response("this is not the host that you are looking for\n", 400)(scope, receive, send)
                return
            foreign = headers.get("sec-fetch-site") == "cross-site" and headers.get("sec-fetch-mode") != "navigate"
            if foreign:
                await Response("other sites may not ask\n", 403)(scope, receive, send)
                return
        await self.app(scope, receive, send)

    def knows(self, host: str) -> bool:
        """Whether a Host header names this machine."""
        try:
            name = URL(f"http://{host}").hostname or ""
        except ValueError:
            return False
        try:
            ipaddress.ip_address(name)
        except ValueError:
            return name.lower() in self.names
        return True


class Board:
    """The answers, over a list of runs and a shelf of reports."""

    def __init__(self, runs: RunList, shelf: ReportShelf, folders: str) -> None:
        self.runs, self.shelf, self.folders = runs, shelf, folders

    def index(self, request: Request) -> Response:
        """The page with the table."""
        return _page("board.html", STRICT, folders=self.folders)

    def changes(self, request: Request) -> Response:
        """Rows that changed since a version that the page knows."""
        since = request.query_params.get("since", "")
        known = int(since) if since.isdecimal() and len(since) < 16 else 0
        return _json(self.runs.changes(request.query_params.get("session"), known))

    def report(self, request: Request) -> Response:
        """A report, or the page that waits for it."""
        found = self._found(request)
        if not request.url.path.endswith("/report.html"):
            return RedirectResponse(f"/runs/{quote(found.id)}/report.html")
        report = self.shelf.ask(found)
        if report.state == "made":
            return _html(report.file.read_text(encoding="utf-8"), RELAXED)
        if report.state == "failed":
            return _error(f"There is no report of {found.id}", report.problem, 500)
        return _page("waiting.html", STRICT, name=found.id, kind=found.kind)

    def state(self, request: Request) -> Response:
        """Whether a report is there by now."""
        report = self.shelf.ask(self._found(request))
        return _json({"state": report.state, "seconds": report.seconds})

    def compare(self, request: Request) -> Response:
        """Runs laid over each other."""
        names = list(dict.fromkeys(request.query_params.getlist("run")))
        runs = []
        for name in names:
            found = self.runs.find(name)
            if found is None or found.kind != "run":
                raise UsageError(f"there is no run {name!r}")
            runs.append(RunDirectory(found.path))
        stamps = stamp_of([file for run in runs for file in (run.record, run.metrics, run.resolved_config)])
        tag = f'"{hashlib.sha256(repr((names, stamps)).encode()).hexdigest()[:32]}"'
        if request.headers.get("if-none-match") == tag:
            return Response(status_code=304, headers={"ETag": tag})
        page = comparison_page(runs, [self.runs.label(name) for name in names])
        response = _html(render(page, Site(LIBRARY, ("/static/live.js",))), RELAXED)
        response.headers["ETag"] = tag
        return response

    def _found(self, request: Request) -> Found:
        name = request.path_params["name"]
        found = self.runs.find(name) or self.runs.find(name.removesuffix("/report.html"))
        if found is None or found.kind == "folds":
            raise UsageError(f"there is no run {name.removesuffix('/report.html')!r}", "it may have been removed")
        return found


def make_app(board: Board, host: str) -> Starlette:
    """The application, as a server at a host is to run it."""
    routes = [
        Route("/", board.index),
        Route("/api/runs", board.changes),
        Route("/api/report/{name:path}", board.state),
        Route("/compare", board.compare),
        Route("/runs/{name:path}", board.report),
        Route("/static/{name}", static),
    ]
    middleware = [Middleware(Guard, host=host), Middleware(GZipMiddleware, minimum_size=1000, compresslevel=5)]
    handlers: dict[Any, Callable[[Request, Any], Awaitable[Response]]] = {DlrunError: _explain, 404: _missing}
    return Starlette(routes=routes, middleware=middleware, exception_handlers=handlers)


def static(request: Request) -> Response:
    """Styles and scripts; Plotly's gzipped, as it is kept."""
    name = request.path_params["name"]
    headers = {"Cache-Control": "no-cache", "X-Content-Type-Options": "nosniff"}
    if name == "plotly.js":
        content, tag = _plotly()
        headers |= {"ETag": tag}
        if request.headers.get("if-none-match") == tag:
            return Response(status_code=304, headers=headers)
        return Response(content, media_type=KINDS["js"], headers=headers | {"Content-Encoding": "gzip"})
    if name == "page.css":
        return Response(asset(name), media_type=KINDS["css"], headers=headers)
    if name not in ASSETS:
        return Response("there is no such file\n", 404)
    return Response(_file(name), media_type=KINDS[name.rpartition(".")[2]], headers=headers)


@cache
def _plotly() -> tuple[bytes, str]:
    from plotly.offline import get_plotlyjs, get_plotlyjs_version

    return gzip.compress(get_plotlyjs().encode(), 6, mtime=0), f'"plotly-{get_plotlyjs_version()}"'


def _file(name: str) -> str:
    return resources.files(__package__).joinpath(name).read_text(encoding="utf-8")


def _page(template: str, policy: str, status: int = 200, **values: Any) -> Response:
    import jinja2

    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined)
    return _html(environment.from_string(_file(template)).render(**values), policy, status)


def _html(text: str, policy: str, status: int = 200) -> Response:
    headers = {
        "Cache-Control": "no-store", "Content-Security-Policy": policy + COMMON, "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "no-referrer",
    }  # fmt: skip
    return HTMLResponse(text, status, headers)


def _json(value: Any) -> Response:
    text = json.dumps(value, allow_nan=False, separators=(",", ":"))
    return Response(text, media_type="application/json", headers={"Cache-Control": "no-store"})


def _error(title: str, problem: str, status: int) -> Response:
    return _page("error.html", STRICT, status, title=title, problem=problem)


async def _explain(request: Request, error: DlrunError) -> Response:
    text = error.message + (f": {error.help}" if error.help else "")
    return _error("That can't be shown", text, 404 if isinstance(error, UsageError) else 500)


async def _missing(request: Request, error: Any) -> Response:
    return _error("There is nothing here", request.url.path, 404)
