"""The programs that make faults, from Debian packages; installed here when run as root.

    python -m tests.faults.injectors [NAME...]

Without names all that `make faults` needs. A missing injector is a failure, never a reason to skip.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterable

PACKAGES: dict[str, str] = {
    "strace": "strace",
    "mount": "mount",
    "ip": "iproute2",
    "tc": "iproute2",
    "iptables": "iptables",
    "nsenter": "util-linux",
    "umount": "mount",
    "mkfs.ext4": "e2fsprogs",
    "faketime": "faketime",
    "eatmydata": "eatmydata",
    "chromium": "chromium",
    "cc": "gcc libc6-dev",
    "systemd-analyze": "systemd",
}
"""Program -> the Debian packages that it needs."""

OTHERS: dict[str, str] = {"redis-server": "redis-server"}
"""The same, of what only other targets need."""


def _found(name: str) -> str | None:
    return shutil.which(name, path=f"{os.environ['PATH']}:/usr/sbin:/sbin")


def missing(names: Iterable[str] = PACKAGES) -> list[str]:
    """Return which of the programs are not there."""
    return [one for one in names if _found(one) is None]


def program(name: str) -> str:
    """Return the path of an injector; AssertionError when it is not installed."""
    found = _found(name)
    package = (PACKAGES | OTHERS)[name]
    assert found, f"{name} is not here: `make faults` installs it (Debian package {package})"
    return found


def install(names: list[str]) -> None:
    """Install what is missing with apt; SystemExit when that cannot be."""
    packages = sorted({word for one in names for word in (PACKAGES | OTHERS)[one].split()})
    apt = shutil.which("apt-get")
    if apt is None or os.geteuid() != 0:
        sys.exit(
            f"faults: {', '.join(names)} missing; as root on Debian this installs them: "
            f"apt-get install {' '.join(packages)}"
        )
    environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    for words in (["update", "-q"], ["install", "-qy", "--no-install-recommends", *packages]):
        subprocess.run([apt, *words], check=True, env=environment)


def main() -> None:
    """Install what is missing; end with an error unless all is there and may be used."""
    if os.geteuid() != 0:
        sys.exit("faults: mounts, other users' files and cgroups need root: run this as root")
    wanted = sys.argv[1:] or PACKAGES
    if names := missing(wanted):
        install(names)
    if names := missing(wanted):
        sys.exit(f"faults: still missing after the installation: {', '.join(names)}")


if __name__ == "__main__":
    main()
