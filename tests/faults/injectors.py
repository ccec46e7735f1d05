"""The programs that make faults, from Debian packages; installed here when run as root.

    python -m tests.faults.injectors

A missing injector is a failure, never a reason to skip.
"""

import os
import shutil
import subprocess
import sys

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


def _found(name: str) -> str | None:
    return shutil.which(name, path=f"{os.environ['PATH']}:/usr/sbin:/sbin")


def missing() -> list[str]:
    """Return the programs that are not there."""
    return [one for one in PACKAGES if _found(one) is None]


def program(name: str) -> str:
    """Return the path of an injector; AssertionError when it is not installed."""
    found = _found(name)
    assert found, f"{name} is not here: `make faults` installs it (Debian package {PACKAGES[name]})"
    return found


def install(names: list[str]) -> None:
    """Install what is missing with apt; SystemExit when that cannot be."""
    packages = sorted({word for one in names for word in PACKAGES[one].split()})
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
    if names := missing():
        install(names)
    if names := missing():
        sys.exit(f"faults: still missing after the installation: {', '.join(names)}")


if __name__ == "__main__":
    main()
