"""Exporters, Prometheus, Alertmanager and a webhook: what somebody would be told, with times of seconds."""

import json
import re
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import quote

from ruamel.yaml import YAML

from kms_schema.monitoring.alerting.alertmanager import alertmanager_file
from kms_schema.monitoring.alerting.rule_file import rule_file
from kms_schema.monitoring.alerting.thresholds import Thresholds
from support.engines.keeper import free_ports
from support.engines.prometheus import Server, find_alertmanager, find_program

(RETENTION,) = re.findall(r"--data\.retention=(\w+)", alertmanager_file())
SOON = "250ms"
RESENT = "5s"
"""How often Prometheus repeats a firing alert to Alertmanager, which forgets one after four times that.

With 2 s an alert ended, and was noticed again, where a loaded machine let Prometheus wait for eight.
"""
SETTLED = 2
"""Seconds in which a notice would come that is one too many: two scrapes, eight evaluations and eight flushes."""
PATIENCE = 60
POLLED = 0.1
"""Seconds between two questions: Prometheus and Alertmanager answer, and report nothing by themselves."""
EVERYTHING = '{__name__=~"up|scrape_duration_seconds|kms_collector_success|(job:)?kms_key_expiration_.*"}'
"""What an error shows of the state of Prometheus."""
JOB = "kms"


def parsed(text: str) -> Any:
    """Return what a YAML text means."""
    return YAML(typ="safe", pure=True).load(text)


class Webhook:
    """A receiver of notices."""

    def __init__(self) -> None:
        """Listen on a free port until `close`."""
        self.notices: list[tuple[str, str]] = []
        """The name of the alert and of what it is about, in the order of arrival."""
        received = self.notices
        arrival = self._arrival = threading.Condition()

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                for alert in body["alerts"]:
                    labels = alert["labels"]
                    about = labels.get("key_name") or labels.get("hsm") or labels.get("part") or ""
                    with arrival:
                        received.append((labels["alertname"], about))
                        arrival.notify_all()
                self.send_response(200)
                self.end_headers()

            def log_message(self, *arguments: object) -> None:
                """Write nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def wait_for(self, number: int, seconds: float) -> bool:
        """Wait until as many notices have arrived; return whether they have."""
        with self._arrival:
            return self._arrival.wait_for(lambda: len(self.notices) >= number, seconds)

    def close(self) -> None:
        """Stop listening."""
        self._server.shutdown()
        self._server.server_close()


class Stack:
    """The servers in one folder, on ports of their own."""

    EXPORTERS: ClassVar = 3

    def __init__(self, folder: Path, database_url: str) -> None:
        """Prepare the files; nothing runs yet."""
        self.folder = folder
        self.webhook = Webhook()
        self._expected: list[tuple[str, str]] = []
        ports = free_ports(self.EXPORTERS + 2)
        self.prometheus_url, self.alertmanager_url = (f"http://127.0.0.1:{port}" for port in ports[:2])
        self._targets = [f"127.0.0.1:{port}" for port in ports[2:]]
        self.exporters = [
            Server(
                folder / f"exporter-{number}.log",
                *(sys.executable, "-m", "kms_schema", "metrics", "--listen", target), KMS_DATABASE_URL=database_url,
            )
            for number, target in enumerate(self._targets)
        ]  # fmt: skip
        self.prometheus = Server(
            folder / "prometheus.log", find_program("prometheus"), "--config.file=prometheus.yml",
            f"--web.listen-address={self.prometheus_url[7:]}", "--storage.tsdb.path=prometheus",
            f"--rules.alert.resend-delay={RESENT}", "--scrape.discovery-reload-interval=100ms", "--log.level=warn",
        )  # fmt: skip
        self.alertmanager = Server(
            folder / "alertmanager.log", find_alertmanager(folder), "--config.file=alertmanager.yml",
            f"--web.listen-address={self.alertmanager_url[7:]}", "--storage.path=alertmanager",
            "--cluster.listen-address=", f"--data.retention={RETENTION}",
        )  # fmt: skip
        self._write_rules(Thresholds())
        self._write("prometheus.yml", {
            "global": {"scrape_interval": "1s", "scrape_timeout": "1s"},
            "rule_files": ["rules.yml"],
            "alerting": {"alertmanagers": [{"static_configs": [{"targets": [self.alertmanager_url[7:]]}]}]},
            "scrape_configs": [{"job_name": JOB, "static_configs": [{"targets": self._targets}]}],
        })  # fmt: skip
        self._write("alertmanager.yml", self._quick_alertmanager())

    def _write(self, name: str, content: Any) -> None:
        (self.folder / name).write_text(json.dumps(content), encoding="utf-8")

    def _write_rules(self, limits: Thresholds) -> None:
        """Write the rules of the package, evaluated four times a second."""
        rules = parsed(rule_file(limits))
        for group in rules["groups"]:
            group["interval"] = SOON
        self._write("rules.yml", rules)

    def _quick_alertmanager(self) -> Any:
        """Return the example, which sends to the webhook at once; `repeat_interval` is as it is."""
        example = parsed(alertmanager_file())
        example["route"] |= {"group_wait": SOON, "group_interval": SOON}
        example["receivers"][0]["webhook_configs"][0]["url"] = self.webhook.url
        return example

    def use(self, limits: Thresholds) -> None:
        """Have Prometheus use other thresholds."""
        self._write_rules(limits)
        self.prometheus.reload()

    def start(self) -> None:
        """Start everything, and wait until Prometheus has scraped each exporter."""
        for exporter in self.exporters:
            exporter.start()
        self.alertmanager.start()
        for target in self._targets:
            self.wait_for(lambda target=target: _get(f"http://{target}/metrics") is not None, "an exporter answers")
        self.prometheus.start()
        self.wait_for(lambda: len(self.query(f'up{{job="{JOB}"}} == 1')) == self.EXPORTERS, "all are scraped")

    def close(self) -> None:
        """Stop everything."""
        for server in (self.prometheus, self.alertmanager, *self.exporters):
            server.stop(kill=True)
        self.webhook.close()

    def query(self, expr: str) -> list[dict[str, Any]]:
        """Return the vector of a query of Prometheus; nothing if it does not answer."""
        answer = _get(f"{self.prometheus_url}/api/v1/query?query={quote(expr)}")
        return [] if answer is None else json.loads(answer)["data"]["result"]

    def active(self) -> dict[str, str]:
        """Return when each active alert was received by Alertmanager last, by name."""
        answer = _get(f"{self.alertmanager_url}/api/v2/alerts?active=true&inhibited=true")
        alerts = [] if answer is None else json.loads(answer)
        return {each["labels"]["alertname"]: each["updatedAt"] for each in alerts}

    def restart(self, server: Server, *, kill: bool = False) -> None:
        """Restart a server, and wait until Alertmanager has received the alerts again that it had before."""
        before = self.active()
        server.stop(kill=kill)
        server.start()
        again = "Prometheus has sent its alerts again"
        self.wait_for(lambda: all(self.active().get(name, "") > at for name, at in before.items()), again)

    def noticed(self, alert: str, about: str = "") -> None:
        """Wait until this notice was received, after those before, and no others."""
        self._expected.append((alert, about))
        arrived = self.webhook.wait_for(len(self._expected), PATIENCE)
        assert arrived, self._report(f"not in {PATIENCE} seconds: {alert} {about}")
        self._compare()

    def nothing_more(self) -> None:
        """Wait for as long as a notice would take that is one too many."""
        time.sleep(SETTLED)
        self._compare()

    def _compare(self) -> None:
        assert self.webhook.notices == self._expected, self._report(f"other notices than {self._expected}")

    def wait_for(self, condition: Callable[[], object], what: str) -> None:
        """Wait until something holds; fail with the logs if it does not."""
        deadline = time.monotonic() + PATIENCE
        while not condition():
            ended = [each for each in (self.prometheus, self.alertmanager, *self.exporters) if each.has_ended]
            if ended or time.monotonic() > deadline:
                raise AssertionError(self._report(f"not in {PATIENCE} seconds: {what}"))
            time.sleep(POLLED)

    def _report(self, what: str) -> str:
        logs = "\n".join(path.read_text(errors="replace")[-2000:] for path in self.folder.glob("*.log"))
        seen = [(each["metric"], each["value"][1]) for each in self.query(EVERYTHING)]
        state = f"{self.webhook.notices}, active: {self.active()}, seen: {seen}"
        return f"{what}; received: {state}\n{logs}"


def _get(url: str) -> bytes | None:
    with suppress(OSError), urllib.request.urlopen(url, timeout=5) as answer:  # noqa: S310  (of this machine)
        body: bytes = answer.read()
        return body
    return None


@contextmanager
def running(folder: Path, database_url: str) -> Iterator[Stack]:
    """Give a stack that runs, and stop it at the end."""
    stack = Stack(folder, database_url)
    try:
        stack.start()
        yield stack
    finally:
        stack.close()
