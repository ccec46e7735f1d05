"""The Debian packages that the bench needs: `python -m tests.bench.packages [--sink]`.

Installed when run as root; `--sink`: only the server, for who measures nobody but us.
"""

import os
import shutil
import subprocess
import sys

SINK = {"nginx": "nginx-light libnginx-mod-http-lua", "wrk": "wrk", "taskset": "util-linux"}
PEERS = {
    "node": "nodejs",
    "npm": "npm",
    "go": "golang-go",
    "syslog-ng": "syslog-ng-core syslog-ng-mod-http",
    "curl": "curl",
    "awk": "mawk",
}
"""Program -> the packages that bring it."""


def main() -> None:
    """Install what is missing; SystemExit where that cannot be."""
    wanted = SINK if "--sink" in sys.argv[1:] else SINK | PEERS
    path = f"{os.environ['PATH']}:/usr/sbin:/sbin"
    missing = [name for name in wanted if shutil.which(name, path=path) is None]
    if not missing:
        return
    packages = sorted({word for name in missing for word in wanted[name].split()})
    apt = shutil.which("apt-get")
    if apt is None or os.geteuid() != 0:
        sys.exit(f"as root on Debian this installs what is missing: apt-get install {packages}")
    # No service is started by it: the bench starts its own.
    environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive", "RUNLEVEL": "1"}
    for words in (["update", "-q"], ["install", "-qy", "--no-install-recommends", *packages]):
        subprocess.run([apt, *words], check=True, env=environment)


if __name__ == "__main__":
    main()
