"""nginx on loopback as the API: it reads each body, and answers a success of fixed length.

One worker on one core, so that who sends has the other. The counting port also writes each body to
a file, from which it is proved that a client sends every ID exactly once.
"""

import os
import shutil
import socket
import subprocess
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import msgspec

from bulkdelete.targets.clevertap import CLEVERTAP
from tests.bench.clients import FailedError

PATIENCE = 30.0
_MODULES = "/usr/lib/nginx/modules"
_CONFIG = """
load_module {modules}/ndk_http_module.so;
load_module {modules}/ngx_http_lua_module.so;
daemon off;
worker_processes 1;
pid {place}/nginx.pid;
error_log {place}/error.log;
events {{ worker_connections 1024; }}
http {{
  access_log off;
  keepalive_requests 100000000;
  client_max_body_size 1m;
  client_body_buffer_size 1m;
  client_body_temp_path {place}/body;
  proxy_temp_path {place}/proxy;
  fastcgi_temp_path {place}/fastcgi;
  uwsgi_temp_path {place}/uwsgi;
  scgi_temp_path {place}/scgi;
  default_type application/json;
  log_format body escape=none '$request_body';
  server {{
    listen 127.0.0.1:{plain} backlog=1024;
    location / {{
      content_by_lua_block {{ {answer} }}
    }}
    location = /count {{ stub_status; }}
  }}
  server {{
    listen 127.0.0.1:{counting} backlog=1024;
    location / {{
      access_log {place}/bodies body;
      content_by_lua_block {{ {answer} }}
    }}
    location = /count {{ stub_status; }}
  }}
  server {{
    listen 127.0.0.1:{refusing} backlog=1024;
    location / {{
      content_by_lua_block {{ {refusal} }}
    }}
  }}
}}
"""
_ANSWER = 'ngx.req.read_body(); ngx.header.content_length = 20; ngx.print(\'{"status":"success"}\')'

REFUSED = "refused-"
"""A body with an ID that begins so is refused whole by the port that refuses."""

_REFUSAL = f"""
ngx.req.read_body()
local good, said = not ngx.req.get_body_data():find('"{REFUSED}', 1, true), nil
if good then said = '{{"status":"success"}}'
else ngx.status, said = 400, '{{"status":"fail","error":"bad","code":400}}' end
ngx.header.content_length = #said
ngx.print(said)
"""


@dataclass(frozen=True)
class Sink:
    """A running nginx; `plain`, `counting` and `refusing` are base URLs."""

    plain: str
    counting: str
    refusing: str
    bodies: Path

    def each_once(self, ids: "set[str]") -> str:
        """Return what is wrong with the bodies that were written so far, and forget them."""
        seen: Counter[str] = Counter()
        for line in self.bodies.read_text("utf-8").splitlines():
            try:
                seen.update(msgspec.json.decode(line, type=_Body).identity)
            except msgspec.MsgspecError:
                self.forget()
                return f"a body that is not what the API takes: {line[:200]}"
        self.forget()
        missing, foreign = len(ids - seen.keys()), len(seen.keys() - ids)
        again = sum(count - 1 for count in seen.values())
        wrong = {"missing": missing, "foreign": foreign, "sent again": again}
        return ", ".join(f"{count:,} {what}" for what, count in wrong.items() if count)

    def forget(self) -> None:
        """Forget the bodies that were written so far."""
        os.truncate(self.bodies, 0)


class _Body(msgspec.Struct):
    identity: list[str]


@contextmanager
def sink(place: Path, core: int = 0) -> Iterator[Sink]:
    """Start nginx in `place`, on one core; it ends with the block."""
    nginx = shutil.which("nginx", path=f"{os.environ['PATH']}:/usr/sbin")
    if nginx is None:
        raise FailedError("nginx is missing: `make bench` installs it (Debian: nginx-light)")
    plain, counting, refusing = _ports()
    config = place / "nginx.conf"
    config.write_text(
        _CONFIG.format(
            modules=_MODULES,
            place=place,
            plain=plain,
            counting=counting,
            refusing=refusing,
            answer=_ANSWER,
            refusal=_REFUSAL,
        ),
        "utf-8",
    )
    words = ["taskset", "-c", str(core), nginx, "-p", str(place), "-c", str(config)]
    process = subprocess.Popen([*words, "-e", str(place / "error.log")])
    try:
        for port in (plain, counting, refusing):
            _wait(port, process)
        urls = [f"http://127.0.0.1:{port}" for port in (plain, counting, refusing)]
        yield Sink(urls[0], urls[1], urls[2], place / "bodies")
    finally:
        process.terminate()
        process.wait(PATIENCE)


def _ports() -> tuple[int, int, int]:
    """Return three free ports, each another."""
    with socket.socket() as one, socket.socket() as two, socket.socket() as three:
        for each in (one, two, three):
            each.bind(("127.0.0.1", 0))
        return one.getsockname()[1], two.getsockname()[1], three.getsockname()[1]


def _wait(port: int, process: "subprocess.Popen[bytes]") -> None:
    end = time.monotonic() + PATIENCE
    while process.poll() is None and time.monotonic() < end:
        with socket.socket() as one:
            if one.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise FailedError("nginx did not start: see its error.log")


def ceiling(url: str, place: Path, core: int = 1) -> float:
    """Return how many requests a second the sink answers at most: wrk, 32 connections, 5 s."""
    script = place / "wrk.lua"
    ids = ",".join(f'"{number:036d}"' for number in range(100))
    script.write_text(
        f'wrk.method = "POST"\nwrk.body = [[{{"identity":[{ids}]}}]]\n'
        'wrk.headers["Content-Type"] = "application/json"\n',
        "utf-8",
    )
    words = ["taskset", "-c", str(core), "wrk", "-t1", "-c32", "-d5s", "-s", str(script)]
    text = subprocess.run(
        [*words, url + CLEVERTAP.delete_path], check=True, capture_output=True, text=True
    ).stdout
    line = next(one for one in text.splitlines() if one.startswith("Requests/sec:"))
    return float(line.split()[1])
