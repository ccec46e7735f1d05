"""Roots for containers: one like python:slim, of this machine's own parts; and how to enter one."""

import os
import re
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

PATH = "/usr/local/bin:/usr/local/sbin:/usr/bin:/usr/sbin:/bin:/sbin"
TOOLS = ("sh", "env", "install", "groupadd", "useradd", "ln", "rm", "find", "touch")
LIBRARIES = (
    "libstdc++.so.6",
    "libgcc_s.so.1",
    "libz.so.1",
    "libpthread.so.0",
    "libdl.so.2",
    "librt.so.1",
)
"""What every Debian has, and wheels take for granted."""

_LEFT_OUT = ("test", "tests", "idlelib", "tkinter", "lib2to3", "ensurepip", "turtledemo")
_NOT_OURS = ("site-packages", "dist-packages", "EXTERNALLY-MANAGED", "config-*")
_DEVICES = ("null", "zero", "full", "random", "urandom")

_ENTER = """
root=$1; user=$2; place=$3; writable=$4; shift 4
mount --make-rprivate /
mount --bind "$root" "$root"
mount -t proc -o nosuid,nodev,noexec proc "$root/proc"
mount -t tmpfs -o mode=755,size=1m tmpfs "$root/dev"
for one in {devices}; do : > "$root/dev/$one"; mount --bind "/dev/$one" "$root/dev/$one"; done
mkdir -m 1777 "$root/dev/shm"; mount -t tmpfs -o size=64m tmpfs "$root/dev/shm"
while [ "$1" != -- ]; do
  from=$1; to=$root$2; mode=$3; shift 3
  if [ -d "$from" ]; then mkdir -p "$to"; else mkdir -p "${{to%/*}}"; [ -e "$to" ] || : > "$to"; fi
  mount --bind "$from" "$to"; mount -o "remount,bind,$mode" "$to"
done
shift
[ "$writable" = rw ] || for one in "$root/dev" "$root"; do mount -o remount,bind,ro "$one"; done
exec {setpriv} --no-new-privs {chroot} --userspec="$user" --groups= "$root" \
  /usr/bin/env --chdir="$place" "$@"
"""


def debian(name: str) -> str:
    """Return the path of a program that every Debian has."""
    found = shutil.which(name, path=PATH)
    assert found, f"{name} is not here"
    return found


def inside(root: Path, place: str, path: str) -> Path:
    """Return where a path of a root is here; `place` is what it is relative to."""
    whole = os.path.normpath(Path("/", place, path))
    return root / whole.lstrip("/")


def mount_memory(place: Path) -> None:
    """Keep what is put into a directory in memory: roots are large, and gone at once."""
    subprocess.run([debian("mount"), "-t", "tmpfs", "-o", "size=2g", "tmpfs", place], check=True)


def unmount(place: Path) -> None:
    """Drop what was kept in memory."""
    subprocess.run([debian("umount"), place], check=True)


def copy(source: Path, target: Path) -> None:
    """Copy a root, with owners, modes and links."""
    subprocess.run([debian("cp"), "-a", source, target], check=True)


def entering(
    root: Path,
    words: list[str],
    *,
    place: str,
    user: str,
    mounts: dict[Path, str],
    read_only: bool,
) -> list[str]:
    """Return the words that run `words` in a root, as process 1 of its own namespace.

    A mount is "/where:ro" or "/where:rw". After the mounts nothing forks: each word's program
    becomes the next.
    """
    bound = [
        word for path, how in mounts.items() for word in (str(path), *how.rsplit(":", maxsplit=1))
    ]
    script = _ENTER.format(
        devices=" ".join(_DEVICES), setpriv=debian("setpriv"), chroot=debian("chroot")
    )
    return [
        *(debian("unshare"), "--mount", "--pid", "--fork", "--kill-child", "--"),
        *(debian("sh"), "-euc", script, "enter"),
        *(str(root), user, place, "ro" if read_only else "rw"),
        *(*bound, "--", *words),
    ]


def make_base(root: Path) -> None:
    """Put together what python:slim is: a Debian's bare needs, and Python in /usr/local."""
    for one in ("usr/bin", "usr/sbin", "usr/lib", "usr/lib64", "usr/local/bin", "etc/default"):
        (root / one).mkdir(parents=True)
    for one in ("bin", "sbin", "lib", "lib64"):
        (root / one).symlink_to(f"usr/{one}")
    for one in ("proc", "dev", "root", "var", "src"):
        (root / one).mkdir()
    for one in ("tmp", "run/lock"):
        (root / one).mkdir(parents=True)
        (root / one).chmod(0o1777)
    (root / "etc/passwd").write_text("root:x:0:0:root:/root:/bin/sh\n")
    (root / "etc/group").write_text("root:x:0:\n")
    (root / "etc/login.defs").write_text("UID_MIN 1000\n")
    (root / "etc/nsswitch.conf").write_text("passwd: files\ngroup: files\nhosts: files dns\n")
    (root / "etc/hosts").write_text("127.0.0.1 localhost\n")
    needed = [_put(root, Path(debian(one))) for one in TOOLS]
    needed += _put_python(root)
    _put_libraries(root, needed)


def _put(root: Path, path: Path) -> Path:
    """Copy a program to where it is here; return the original."""
    real = path.resolve()
    target = root / "usr" / ("sbin" if "sbin" in path.parts else "bin") / path.name
    shutil.copy2(real, target)
    return real


def _put_python(root: Path) -> list[Path]:
    """Copy this Python and its pip to /usr/local; return what may need libraries."""
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    binary = Path(sys.base_prefix, "bin", version).resolve()
    local = root / "usr" / "local"
    shutil.copy2(binary, local / "bin" / version)
    for one in ("python3", "python"):
        (local / "bin" / one).symlink_to(version)
    ours = Path(sysconfig.get_path("stdlib", vars={"installed_base": sys.base_prefix}))
    library = local / "lib" / version
    skipped = shutil.ignore_patterns(*_LEFT_OUT, *_NOT_OURS)
    shutil.copytree(ours, library, symlinks=True, ignore=skipped)
    asked = [str(binary), "-c", "import pip; print(pip.__path__[0])"]
    pip = subprocess.run(asked, check=True, capture_output=True, text=True).stdout.strip()
    shutil.copytree(pip, library / "pip")
    return [binary, *ours.glob("lib-dynload/*.so")]


def _put_libraries(root: Path, needed: list[Path]) -> None:
    """Copy the libraries that programs need, and those that every Debian has."""
    asked = [debian("ldd"), *map(str, needed)]
    told = subprocess.run(asked, check=True, capture_output=True, text=True).stdout
    found = {Path(one) for one in re.findall(r"(/\S+) \(0x", told)}
    (libc,) = (one for one in found if one.name == "libc.so.6")
    found |= {libc.with_name(one) for one in LIBRARIES}
    for one in found:
        of_debian = one.parts[1] in {"lib", "lib64", "usr"} and "local" not in one.parts
        target = root / (one if of_debian else libc.with_name(one.name)).relative_to("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(one.resolve(), target)
