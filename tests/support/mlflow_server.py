"""A server that speaks as much of MLflow's REST interface as a run needs, and that can go down and come back."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit


class FakeServer:
    """Keeps what it is sent: `runs` by id, each with its parameters, tags, metrics and status."""

    def __init__(self, port: int = 0) -> None:
        self.runs: dict[str, dict] = {}
        self.experiments: dict[str, str] = {}
        self.refuses_metrics = False
        self.begun = 0
        self.port = port
        self._server: ThreadingHTTPServer | None = None

    @property
    def uri(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def __enter__(self) -> FakeServer:
        self.up()
        return self

    def __exit__(self, *_: object) -> None:
        self.down()

    def up(self) -> None:
        owner = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                url = urlsplit(self.path)
                query = {name: values[0] for name, values in parse_qs(url.query).items()}
                self._answer(*owner.answer(url.path, query))

            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])) or b"{}")
                self._answer(*owner.answer(urlsplit(self.path).path, body))

            def _answer(self, code: int, content: dict) -> None:
                text = json.dumps(content).encode()
                self.send_response(code)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text)

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", self.port), Handler)
        self.port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()

    def down(self) -> None:
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None

    def answer(self, path: str, body: dict) -> tuple[int, dict]:
        call = path.rpartition("/mlflow/")[2]
        if call == "experiments/get-by-name":
            name = body["experiment_name"]
            if name not in self.experiments:
                return 404, {"error_code": "RESOURCE_DOES_NOT_EXIST", "message": f"no experiment {name}"}
            found = {"experiment_id": self.experiments[name], "name": name, "lifecycle_stage": "active"}
            return 200, {"experiment": found}
        if call == "experiments/create":
            self.experiments[body["name"]] = str(len(self.experiments) + 1)
            return 200, {"experiment_id": self.experiments[body["name"]]}
        if call == "runs/create":
            key, self.begun = f"run{self.begun}", self.begun + 1
            tags = {tag["key"]: tag["value"] for tag in body.get("tags", [])}
            self.runs[key] = {"name": body["run_name"], "status": "RUNNING", "tags": tags, "params": {}, "metrics": {}}
            return 200, {"run": self._run(key)}
        if call == "runs/get" and body["run_id"] in self.runs:
            return 200, {"run": self._run(body["run_id"])}
        if call == "runs/update":
            self.runs[body["run_id"]]["status"] = body["status"]
            return 200, {"run_info": self._run(body["run_id"])["info"]}
        if call == "runs/log-batch":
            run = self.runs[body["run_id"]]
            if body.get("metrics") and self.refuses_metrics:
                return 400, {"error_code": "INTERNAL_ERROR", "message": "the disk is full"}
            run["params"] |= {each["key"]: each["value"] for each in body.get("params", [])}
            run["tags"] |= {each["key"]: each["value"] for each in body.get("tags", [])}
            for each in body.get("metrics", []):
                run["metrics"].setdefault(each["key"], {})[int(each["step"])] = each["value"]
            return 200, {}
        return 404, {"error_code": "RESOURCE_DOES_NOT_EXIST", "message": f"nothing at {path}"}

    def _run(self, key: str) -> dict:
        run = self.runs[key]
        info = {
            "run_id": key, "run_uuid": key, "experiment_id": "1", "run_name": run["name"], "status": run["status"],
            "lifecycle_stage": "active", "artifact_uri": "/nowhere", "start_time": 1,
        }  # fmt: skip
        data = {name: [{"key": k, "value": v} for k, v in run[name].items()] for name in ("params", "tags")}
        return {"info": info, "data": data}
