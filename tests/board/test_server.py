"""dlrun board: what it answers, and to whom."""

import re
import shutil
import socket
import sys
import time

import pytest

from dlrun.board.app import Guard
from dlrun.board.finding import Found
from dlrun.board.reports import ReportShelf
from dlrun.board.worker import make_page
from dlrun.runs.environment import this_process
from dlrun.runs.record import update_record
from tests.board.folders import make_run
from tests.board.serving import serving
from tests.cli.commands import wait_until


def test_runs_reports_and_comparisons(served, original):
    rows = served.rows()
    assert {name: row["status"] for name, row in rows.items()} == {
        "runs/small-1": "finished",
        "runs/small-2": "finished",
    }
    assert rows["runs/small-2"]["config"] == "small.yaml"
    page = served.get("/")
    assert page.status == 200
    assert "script-src 'self';" in page.headers["content-security-policy"]
    for name in re.findall(r'(?:src|href)="(/static/[^"]+)"', page.text):
        assert served.get(name).status == 200

    waiting = served.get("/runs/runs/small-1/report.html")
    assert "waiting.js" in waiting.text
    report = served.wait_for_report("runs/small-1")
    assert "Confusion matrix" in report.text
    assert "On the test rows" in report.text
    assert len(report.text) < 1_000_000  # the plotting library is another file
    seconds = served.get("/api/report/runs/small-1").json()["seconds"]
    assert served.get("/runs/runs/small-1/report.html").text == report.text
    assert served.get("/api/report/runs/small-1").json()["seconds"] == seconds  # it wasn't made again
    assert not (original.runs / "small-1" / "report.html").exists()

    page = served.get("/compare?run=runs/small-1&run=runs/small-2")
    for text in ("validation/accuracy", "optimizer.learning_rate", "training.epochs", "small-2"):
        assert text in page.text
    tag = page.headers["etag"]
    assert served.get("/compare?run=runs/small-1&run=runs/small-2", If_None_Match=tag).status == 304
    assert served.get("/compare?run=runs/small-1").status == 404
    assert served.get("/compare?run=runs/small-1&run=runs/none-1").status == 404


def test_a_sweeps_report_leads_to_its_trials(place, monkeypatch):
    pytest.importorskip("optuna", reason="needs Optuna (the extra sweep)")
    monkeypatch.setenv("DLRUN_SWEEPS", str(place.folder / "sweeps"))
    monkeypatch.setattr("dlrun.training.recording.draw_curves", lambda *arguments: None)
    place.call("sweep", "small.yaml", "optimizer.learning_rate=0.01,0.001", "training.epochs=1")
    with serving(place) as served:
        row = served.rows()["sweeps/small-1"]
        assert (row["kind"], row["status"], row["epoch"], row["epochs"]) == ("sweep", "finished", 2, 2)
        assert row["values"].keys() == {"optimizer.learning_rate"}
        report = served.wait_for_report("sweeps/small-1")
        assert "Leaderboard" in report.text
        links = re.findall(r'<td[^>]*><a href="(trials/[^"]+)"', report.text)
        assert len(links) == 2
        trial = served.get(f"/runs/sweeps/small-1/{links[0]}")
        assert (trial.status, trial.headers["location"]) == (307, f"/runs/sweeps/small-1/{links[0]}/report.html")


PATHS = (
    "/runs/../../../etc/passwd", "/runs/..%2f..%2f..%2fetc%2fpasswd", "/runs/runs/small-1/../../small.yaml",
    "/runs/runs/small-1/run.json", "/runs//etc/passwd", "/runs/%00", "/static/..%2fapp.py", "/static/app.py",
    "/static/%2e%2e/app.py", "/nothing", "/compare?run=../../etc&run=/etc", "/api/report/../../etc",
)  # fmt: skip


def test_nothing_else_of_the_disk_can_be_reached(served):
    answers = {path: served.get(path) for path in PATHS}
    assert {path: answer.status for path, answer in answers.items()} == dict.fromkeys(PATHS, 404)
    assert not [path for path, answer in answers.items() if "root:" in answer.text]


def test_only_who_names_this_machine_is_answered(served):
    for host in (
        "evil.example",
        "evil.example:80",
        "127.0.0.1.evil.example",
        "",
        "a b",
        "@",
        "localhost@evil.example:1",
    ):
        assert served.get("/api/runs", Host=host).status == 400, host
    for host in ("localhost", "127.0.0.1:99", "[::1]:99", "10.1.2.3", socket.gethostname()):
        assert served.get("/api/runs", Host=host).status == 200, host
    foreign = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors"}
    assert served.get("/runs/runs/small-1/report.html", **foreign).status == 403
    assert served.get("/", **{**foreign, "Sec-Fetch-Mode": "navigate"}).status == 200
    assert Guard(None, "Lab.example").knows("lab.example:8000")


def test_names_are_text_and_damage_is_told(place):
    make_run(place.runs / "<img src=x onerror=alert(1)>-1")
    shutil.copytree(place.runs / "small-1", place.runs / "broken-1")
    (place.runs / "broken-1" / "run.json").write_text("{")
    with serving(place) as served:
        rows = served.rows()
        assert rows["runs/broken-1"]["status"] == "damaged"
        assert "run.json is damaged" in rows["runs/broken-1"]["problem"]
        report = served.wait_for_report("runs/broken-1")
        assert report.status == 500
        assert "run.json is damaged" in report.text
        hostile = "/runs/runs/%3Cimg%20src=x%20onerror=alert(1)%3E-1/report.html"
        for path in (hostile, "/compare?run=<img src=x onerror=alert(1)>".replace(" ", "%20"), "/<img>"):
            answer = served.get(path)
            assert "<img" not in answer.text, path
        assert served.get("/api/runs?since=-1&session=x").status == 200
        assert served.get("/api/runs?since=999999999999999999999").status == 200


def test_a_folder_that_isnt_there_a_taken_port_and_a_foreign_host(place):
    for arguments, message in (
        (["nowhere"], "there is no folder nowhere"),
        (["small.yaml"], "it is a file"),
        (["--host", "192.0.2.1"], "can't listen at 192.0.2.1"),
        (["--port", "99999"], "--port"),
    ):
        done = place.run("board", *arguments, expect=2)
        assert message in done.stderr
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        done = place.run("board", "--port", str(port), expect=2)
    assert done.stderr == (
        f"error: port {port} is taken by another program\n  help: leave --port out to get the next free one\n"
    )


def test_the_next_free_port_is_taken(monkeypatch):
    from dlrun.board import server

    with server.bind("127.0.0.1", 0) as first:
        monkeypatch.setattr(server, "FIRST_PORT", first.getsockname()[1])
        with server.bind("127.0.0.1", None) as second:
            assert second.getsockname()[1] != first.getsockname()[1]
            assert server.address_of(second, "127.0.0.1") == f"http://127.0.0.1:{second.getsockname()[1]}/"
            assert server.is_loopback(second)


def test_without_its_packages_the_extra_is_named(place, monkeypatch):
    monkeypatch.setattr("dlrun.board.server.find_spec", lambda name: None if name == "uvicorn" else object())
    assert "pip install 'dlrun[board]'" in place.call("board", expect=1).stderr


def test_other_machines_are_let_in_only_with_a_warning_and_sigterm_leaves_nothing_behind(place):
    (place.folder / "tmp").mkdir()
    process = place.start(
        "board", "--port", "0", "--host", "0.0.0.0", environment={"TMPDIR": str(place.folder / "tmp")}
    )
    address = process.stdout.readline()
    assert "http://127.0.0.1:" in address
    assert list((place.folder / "tmp").iterdir())
    process.terminate()
    assert "WARNING: everybody who can reach this machine" in process.communicate(timeout=30)[1]
    assert process.returncode == 0
    assert list((place.folder / "tmp").iterdir()) == []


def shelf_of(place, monkeypatch, script):
    """A shelf whose worker is a script."""
    worker = place.folder / "worker.py"
    worker.write_text(script)
    start = __import__("subprocess").Popen
    monkeypatch.setattr(
        "dlrun.board.reports.subprocess.Popen",
        lambda command, **options: start([sys.executable, str(worker), *command[3:]], **options),
    )
    return ReportShelf("/static/plotly.js"), Found("runs/small-1", "run", place.runs / "small-1")


def test_a_report_is_made_once_until_the_files_change(place, monkeypatch):
    monkeypatch.setattr("dlrun.board.reports.FRESH", 0.0)
    shelf, run = shelf_of(place, monkeypatch, "import sys; open(sys.argv[2], 'w').write(sys.argv[1])")
    first = shelf.ask(run)
    wait_until(lambda: first.state == "made")
    assert first.file.read_text() == str(run.path.resolve())
    assert shelf.ask(run) is first
    (run.path / "metrics.csv").write_text("")
    assert shelf.ask(run) is not first
    shelf.close()
    assert not first.file.exists()


def test_a_report_that_fails_says_why_and_is_asked_for_again_when_the_files_change(place, monkeypatch):
    shelf, run = shelf_of(place, monkeypatch, "import sys; sys.exit('the reason')")
    report = shelf.ask(run)
    wait_until(lambda: report.state == "failed")
    assert report.problem == "the reason"
    assert shelf.ask(run) is report
    shelf.close()


def test_the_end_of_the_board_ends_its_worker(place, monkeypatch):
    shelf, run = shelf_of(place, monkeypatch, "import time; time.sleep(100)")
    report = shelf.ask(run)
    wait_until(lambda: shelf._process is not None)
    begin = time.monotonic()
    shelf.close()
    assert time.monotonic() - begin < 30
    assert report.state == "failed"


def test_the_report_of_a_run_that_trains_says_so_and_times_no_layers(place, monkeypatch):
    run = place.runs / "small-1"
    update_record(run / "run.json", status="running", process=this_process())
    monkeypatch.setattr("dlrun.report.run_report.profile_network", None)  # calling it would fail
    page = make_page(run)
    assert page.notes[0].startswith("The run is training; this is what there was at ")
    assert "Network" in [section.title for section in page.sections]
