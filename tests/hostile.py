"""Archives that mean harm, and how any are made."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Callable
from pathlib import Path

Add = Callable[[tarfile.TarFile], None]


def entry(name: str, content: bytes = b"", **changed: object) -> Add:
    """Return what adds a member; `changed` are its attributes."""

    def add(tar: tarfile.TarFile) -> None:
        info = tarfile.TarInfo(name)
        info.size = len(content)
        for key, value in changed.items():
            setattr(info, key, value)
        tar.addfile(info, io.BytesIO(content))

    return add


def archive(path: Path, *entries: Add, zipped: bool = True) -> Path:
    with tarfile.open(path, "w:gz" if zipped else "w") as tar:
        for add in entries:
            add(tar)
    return path


def nested(*entries: Add) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:gz") as tar:
        for add in entries:
            add(tar)
    return stream.getvalue()


def declaring(name: str, size: int, kind: bytes = tarfile.REGTYPE) -> bytes:
    """Return a tar archive whose only header declares more bytes than follow."""
    info = tarfile.TarInfo(name)
    info.size, info.type = size, kind
    return info.tobuf(tarfile.GNU_FORMAT) + bytes(20_000)


HOSTILE = {
    "traversal": (entry("../out.csv", b"x"), "'../out.csv' leads out of the archive"),
    "traversal within": (entry("a/../../out.csv", b"x"), "leads out of the archive"),
    "absolute": (entry("/etc/out.csv", b"x"), "absolute path"),
    "drive": (entry("C:/out.csv", b"x"), "absolute path"),
    "backslashes": (entry("a\\..\\out.csv", b"x"), "absolute path, or one of another system"),
    "symbolic link out": (entry("a", type=tarfile.SYMTYPE, linkname="../../x"), "link that leads out .* '../../x'"),
    "absolute link": (entry("a", type=tarfile.SYMTYPE, linkname="/etc/passwd"), "link that leads out .*'/etc/passwd'"),
    "hard link out": (entry("a", type=tarfile.LNKTYPE, linkname="../x"), "link that leads out"),
    "absolute hard link": (entry("a", type=tarfile.LNKTYPE, linkname="/etc/passwd"), "link that leads out"),
    "device": (entry("a", type=tarfile.BLKTYPE, devmajor=8), "device or a pipe"),
    "character device": (entry("a", type=tarfile.CHRTYPE, devmajor=1), "device or a pipe"),
    "pipe": (entry("a", type=tarfile.FIFOTYPE), "device or a pipe"),
    "long name": (entry("n" * 300, b"x"), r"'nnn+… \(300 characters\) has a name of 300 bytes"),
    "long path": (entry("/".join(["n" * 100] * 12), b"x"), "has a name of 1,211 bytes"),
    "no UTF-8": (entry("caf\udce9.csv", b"x"), r"'caf\\udce9\.csv' has a name that is not UTF-8"),
    "control character": (entry("a\x1b[2J.csv", b"x"), r"'a\\x1b\[2J\.csv' has a control character"),
    "sparse": (entry("a", type=tarfile.GNUTYPE_SPARSE), "sparse file|damaged"),
}
"""What adds a member, and what is wrong with it."""
