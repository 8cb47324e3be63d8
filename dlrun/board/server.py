"""Serves the board until somebody ends it."""

from __future__ import annotations

import errno
import ipaddress
import signal
import socket
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path

from dlrun.errors import MissingExtra, RunError, UsageError

FIRST_PORT = 8765
MOST_PORTS = 40
"""Ports that are tried when none was asked for."""
PATIENCE = 1
"""Seconds that answers have to be finished when the board is ended."""


def check_libraries() -> None:
    """Raise MissingExtra unless the board can be served."""
    for package in ("starlette", "uvicorn", "jinja2", "plotly"):
        if find_spec(package) is None:
            raise MissingExtra(package, "board", "serving the board")


def check_folders(folders: Sequence[Path]) -> None:
    """Raise UsageError unless all are folders."""
    for folder in folders:
        if not folder.is_dir():
            what = "is a file" if folder.exists() else "doesn't exist"
            raise UsageError(
                f"there is no folder {folder}: it {what}", "dlrun train makes runs/; or name another folder"
            )


def bind(host: str, port: int | None) -> socket.socket:
    """A socket that listens at a port, at the next free one from 8765 when none is asked for; 0 takes any.

    Raises: UsageError where the port is taken or the host isn't this machine's.
    """
    ports = [port] if port is not None else [*range(FIRST_PORT, FIRST_PORT + MOST_PORTS), 0]
    for each in ports:
        try:
            return _bound(host, each)
        except PermissionError:
            raise UsageError(f"you may not listen at port {each}", "choose one from 1024 on") from None
        except socket.gaierror as error:
            raise UsageError(f"{host!r} is no host: {error.strerror}", "127.0.0.1 is this machine") from None
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise UsageError(f"can't listen at {host}: {error.strerror}", "127.0.0.1 is this machine") from None
    raise UsageError(f"port {port} is taken by another program", "leave --port out to get the next free one")


def _bound(host: str, port: int) -> socket.socket:
    family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    listening = socket.socket(family, kind, protocol)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(address)
        listening.listen(128)
    except OSError:
        listening.close()
        raise
    return listening


def is_loopback(listening: socket.socket) -> bool:
    """Whether only this machine can reach a socket."""
    return ipaddress.ip_address(listening.getsockname()[0]).is_loopback


def address_of(listening: socket.socket, host: str) -> str:
    """Where a browser on this machine finds the board."""
    where = listening.getsockname()[0]
    if ipaddress.ip_address(where).is_unspecified:
        host = "127.0.0.1"
    elif ":" in where:
        host = f"[{where}]"
    return f"http://{host}:{listening.getsockname()[1]}/"


def serve(folders: Sequence[Path], listening: socket.socket, host: str, ready: Callable[[], None]) -> None:
    """Answer until Ctrl-C or SIGTERM; `ready` is called once there are answers. Raises: RunError."""
    import uvicorn

    from dlrun.board.app import LIBRARY, Board, make_app
    from dlrun.board.listing import RunList
    from dlrun.board.reports import ReportShelf

    class Server(uvicorn.Server):
        """Tells when it answers."""

        async def startup(self, sockets: list[socket.socket] | None = None) -> None:
            await super().startup(sockets)
            if self.started:
                ready()

    shelf = ReportShelf(LIBRARY)
    board = Board(RunList(folders), shelf, ", ".join(map(str, folders)))
    config = uvicorn.Config(
        make_app(board, host), log_level="error", access_log=False, lifespan="off", ws="none", server_header=False,
        timeout_graceful_shutdown=PATIENCE,
    )  # fmt: skip
    # Uvicorn raises the signal that ended it once more, and SIGTERM's own way would leave reports and a worker behind.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        with suppress(KeyboardInterrupt):  # how a board ends
            Server(config).run(sockets=[listening])
    except OSError as error:
        raise RunError(f"can't serve the board: {error.strerror or error}") from error
    finally:
        shelf.close()
        listening.close()


def open_browser(address: str) -> None:
    """Show an address in the user's browser, if there is one."""
    import webbrowser

    if not webbrowser.open(address):
        sys.stderr.write(f"NOTE: no browser was found; open {address} yourself\n")
