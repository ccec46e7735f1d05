"""Detached SSH signatures, made and verified by ssh-keygen: no server, and it works in CI."""

import os
import subprocess
import tempfile
from pathlib import Path

from bulkdelete.errors import UsageError

NAMESPACE = "bulkdelete"
"""What a signature on a plan is for: one made for git or mail does not pass here."""

RECEIPT = "bulkdelete-receipt"
"""What a signature on a receipt is for: none on a plan passes for one, nor the other way round."""

_PATIENCE = 60
_SEEN_BY_SSH = ("PATH", "HOME", "SSH_AUTH_SOCK", "SSH_ASKPASS", "DISPLAY", "TERM")


def sign(message: bytes, key: Path, namespace: str = NAMESPACE) -> bytes:
    """Return the signature of `message` by a private key (or a public one that an agent holds)."""
    ended = _keygen(["sign", "-q", "-n", namespace, "-f", str(key)], message)
    if ended.returncode or b"SIGNATURE" not in ended.stdout:
        raise UsageError(
            "sign",
            "ssh-keygen did not sign with this key; nothing was signed",
            "see that the key is there, and yours: ssh-keygen -y -f KEY",
        )
    return ended.stdout


def signer(message: bytes, signature: bytes, allowed: Path) -> str | None:
    """Return who, of the file of allowed signers, made a signature; None when none of them did."""
    with tempfile.TemporaryDirectory(prefix="bulkdelete-") as name:
        file = Path(name) / "signature"
        file.write_bytes(signature)
        place = ["-s", str(file), "-f", str(allowed)]
        found = _keygen(["find-principals", *place], b"")
        for principal in found.stdout.decode("utf-8", "replace").splitlines():
            if not _keygen(
                ["verify", "-n", NAMESPACE, *place, "-I", principal], message
            ).returncode:
                return principal
    return None


def _keygen(words: list[str], message: bytes) -> subprocess.CompletedProcess[bytes]:
    command = ["ssh-keygen", "-Y", *words]
    seen = {name: os.environ[name] for name in _SEEN_BY_SSH if name in os.environ}
    try:
        return subprocess.run(  # noqa: S603 - no shell, and words of our own
            command, input=message, capture_output=True, env=seen, timeout=_PATIENCE, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise UsageError(
            "ssh_keygen", "ssh-keygen, which makes signatures, cannot be run", "install OpenSSH"
        ) from error
