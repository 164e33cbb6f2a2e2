"""A real Prometheus (Debian's package), which scrapes an agent."""

import json
import socket
import subprocess
import time
import urllib.parse
import urllib.request

import pytest

PATIENCE = 120.0
"""Real seconds that Prometheus has to come up and to scrape; it scrapes ten times a second here."""


class Prometheus:
    """A server of its own for one test."""

    def __init__(self, folder, target, rules):
        with socket.create_server(("127.0.0.1", 0)) as probe:
            self.port = probe.getsockname()[1]
        config = folder / "prometheus.yml"
        config.write_text(
            f"rule_files: ['{rules}']\n"
            "scrape_configs:\n- job_name: stormcone\n  scrape_interval: 100ms\n  scrape_timeout: 100ms\n"
            f"  static_configs: [targets: ['127.0.0.1:{target}']]\n"
        )
        self._log = (folder / "log").open("w")
        self._process = subprocess.Popen(
            [
                "prometheus",
                f"--config.file={config}",
                f"--storage.tsdb.path={folder / 'data'}",
                f"--web.listen-address=127.0.0.1:{self.port}",
            ],
            stdout=self._log,
            stderr=self._log,
        )

    def ask(self, expression):
        """What an expression comes to: values by labels."""
        query = urllib.parse.urlencode({"query": expression})
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/api/v1/query?{query}", timeout=10) as answer:
            return json.loads(answer.read())["data"]["result"]

    def until(self, expression):
        """Wait until an expression comes to something."""
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            try:
                if found := self.ask(expression):
                    return found
            except OSError:
                pass
            time.sleep(0.05)
        pytest.fail(f"Prometheus knows nothing of {expression}")

    def close(self):
        self._process.terminate()
        self._process.wait(20)
        self._log.close()
