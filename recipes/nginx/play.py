"""nginx in front of two services, with its pool in a file of its own."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from recipes.play import Scene
from recipes.pool import Pool

HERE = Path(__file__).parent

# What nginx tries again, and when it leaves a server alone for a while, is as it comes.
CONFIGURATION = """
daemon off;
pid {folder}/nginx.pid;
error_log {folder}/nginx-errors.log;
worker_processes 2;
events {{}}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    scgi_temp_path {folder}/scgi;
    uwsgi_temp_path {folder}/uwsgi;
    upstream app {{
        include {folder}/pool.conf;
    }}
    server {{
        listen 127.0.0.1:{port};
        location / {{
            proxy_pass http://app;
        }}
    }}
}}
"""

# Stands for ssh to the balancer's machine, which here is this one.
SSH = """#!/bin/sh
exec sh -c "$2"
"""


class NginxScene(Pool):
    """The configuration of the recipe as it is, with an `ssh` that goes nowhere."""

    title = "nginx"
    needs = ("nginx", "pgrep")

    def balance(self) -> None:
        """nginx, in the foreground."""
        folder = self.machinery.folder
        servers = "".join(f"server 127.0.0.1:{port}; # {name}\n" for name, port in self.ports.items())
        (folder / "pool.conf").write_text(servers)
        self._file.write_text(CONFIGURATION.format(folder=folder, port=self.port))
        (folder / "ssh").write_text(SSH)
        (folder / "ssh").chmod(0o755)
        self.machinery.start("nginx", ["nginx", "-c", self._file])

    def agent(self) -> Sequence[str | Path]:
        """The configuration, as a user would copy it."""
        return ["--config", HERE / "stormcone.toml"]

    def environment(self) -> Mapping[str, str]:
        """Where nginx is, for the script."""
        folder = self.machinery.folder
        return {
            "PATH": f"{folder}:{HERE}:{os.environ['PATH']}",
            "POOL": str(folder / "pool.conf"),
            "PID": str(folder / "nginx.pid"),
            "NGINX": f"nginx -c {self._file}",
        }

    @property
    def _file(self) -> Path:
        return self.machinery.folder / "nginx.conf"


SCENE: type[Scene] = NginxScene
