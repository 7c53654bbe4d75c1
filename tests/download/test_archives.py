"""Archives are hostile until proven otherwise: every way out, and every flood, is one line."""

from __future__ import annotations

import gzip
import tarfile
from pathlib import Path

import pytest
from hostile import HOSTILE, archive, declaring, entry, nested

from ecef_cli.api.errors import DataError
from ecef_cli.download.archives import Limits, read_archive


def read(path: Path, limits: Limits | None = None) -> dict[str, bytes]:
    return {member.name: member.read() for member in read_archive(path, limits)}


@pytest.mark.parametrize("zipped", [True, False])
def test_files_come_with_those_of_archives_within_and_in_their_order(tmp_path: Path, zipped: bool) -> None:
    inner = nested(entry("in/a.mp4", b"A" * 30_000), entry("in/b.mp4", b"B"))
    path = archive(
        tmp_path / "x.tar",
        entry("out", type=tarfile.DIRTYPE),
        entry("out/first.csv", b"1"),
        entry("out/inner.tar.gz", inner),
        entry("./out/last.csv", b"2"),
        zipped=zipped,
    )
    assert list(read(path).items()) == [
        ("out/first.csv", b"1"),
        ("out/inner.tar.gz/in/a.mp4", b"A" * 30_000),
        ("out/inner.tar.gz/in/b.mp4", b"B"),
        ("out/last.csv", b"2"),
    ]


def test_members_that_nobody_reads_are_passed_over(tmp_path: Path) -> None:
    path = archive(tmp_path / "x.tgz", entry("a", b"a" * 50_000), entry("b", b"b" * 50_000, mtime=77))
    assert [(m.name, m.size, m.modified) for m in read_archive(path)] == [("a", 50_000, 0), ("b", 50_000, 77)]


def test_links_within_an_archive_are_passed_over(tmp_path: Path) -> None:
    path = archive(
        tmp_path / "x.tgz",
        entry("f/a", b"a"),
        entry("f/soft", type=tarfile.SYMTYPE, linkname="a"),
        entry("f/hard", type=tarfile.LNKTYPE, linkname="f/a"),
    )
    assert read(path) == {"f/a": b"a"}


def test_what_macos_keeps_beside_an_archive_is_no_archive(tmp_path: Path) -> None:
    path = archive(tmp_path / "x.tgz", entry("f/._train.tar.gz", b"Mac OS X"))
    assert read(path) == {"f/._train.tar.gz": b"Mac OS X"}


@pytest.mark.parametrize("what", HOSTILE)
@pytest.mark.parametrize("within", [False, True])
def test_what_leads_out_or_cannot_be_written_is_refused(tmp_path: Path, what: str, within: bool) -> None:
    add, problem = HOSTILE[what]
    adds = [entry("inner.tar.gz", nested(add))] if within else [add]
    path = archive(tmp_path / "x.tar.gz", *adds)
    before = set(tmp_path.rglob("*"))
    with pytest.raises(DataError, match=problem) as caught:
        read(path)
    assert caught.value.where == str(path) + (": inner.tar.gz" if within else "")
    assert "\n" not in str(caught.value)
    assert "\x1b" not in str(caught.value)
    assert set(tmp_path.rglob("*")) == before


@pytest.mark.parametrize(
    ("names", "problem"),
    [
        (("f/Clip.mp4", "f/clip.mp4"), "differs from 'f/Clip.mp4' only in case or Unicode form"),
        (("F/a.mp4", "f/b.mp4"), "differs from 'F' only in case or Unicode form"),
        (("f/\u00e9.mp4", "f/e\u0301.mp4"), "only in case or Unicode form"),
        (("f/a.mp4", "f/./a.mp4"), "is a duplicate"),
        (("f/a.mp4", "f/a.mp4"), "is a duplicate"),
        (("f/a.mp4", "f/g/../a.mp4"), "leads out of the archive"),
    ],
)
def test_two_names_for_one_file_are_refused(tmp_path: Path, names: tuple[str, str], problem: str) -> None:
    path = archive(tmp_path / "x.tgz", *(entry(name, b"x") for name in names))
    with pytest.raises(DataError, match=problem):
        read(path)


def test_a_size_beyond_all_measure_is_refused_before_a_byte_is_read(tmp_path: Path) -> None:
    path = tmp_path / "x.tar"
    path.write_bytes(declaring("a.mp4", 1 << 41))
    with pytest.raises(DataError, match=r"'a\.mp4' declares 2,199,023,255,552 bytes; the limit is 1,073,741,824"):
        list(read_archive(path))


def test_a_negative_size_is_damage(tmp_path: Path) -> None:
    path = tmp_path / "x.tar"
    path.write_bytes(declaring("a.mp4", -4096))
    with pytest.raises(DataError):
        list(read_archive(path))


@pytest.mark.parametrize("kind", [tarfile.XHDTYPE, tarfile.GNUTYPE_LONGNAME])
def test_a_header_that_fills_memory_is_refused(tmp_path: Path, kind: bytes) -> None:
    path = tmp_path / "x.tar.gz"
    path.write_bytes(gzip.compress(declaring("a", 1 << 33, kind) + bytes(5 << 20), 1))
    with pytest.raises(DataError, match="headers take more than 1,048,576 bytes"):
        list(read_archive(path))


@pytest.mark.parametrize("within", [False, True])
def test_what_unpacks_to_many_times_its_size_is_refused(tmp_path: Path, within: bool) -> None:
    bomb = entry("zeros.mp4", bytes(40 << 20))
    path = archive(tmp_path / "x.tgz", entry("inner.tgz", nested(bomb)) if within else bomb)
    assert path.stat().st_size < 100_000
    with pytest.raises(DataError, match="unpacks to more than 200 times its size"):
        list(read_archive(path))


def test_many_members_that_are_allowed_each_are_refused_together(tmp_path: Path) -> None:
    path = archive(tmp_path / "x.tgz", *(entry(f"{n}.mp4", bytes(60_000)) for n in range(10)))
    assert len(read(path)) == 10
    with pytest.raises(DataError, match="unpacks to more than 500,000 bytes"):
        read(path, Limits(total=500_000))
    with pytest.raises(DataError, match="holds more than 9 members"):
        read(path, Limits(members=9))


def test_archives_in_archives_in_archives_are_refused(tmp_path: Path) -> None:
    path = archive(tmp_path / "x.tgz", entry("b.tgz", nested(entry("c.tgz", nested(entry("d", b"d"))))))
    with pytest.raises(DataError, match="an archive nested too deeply"):
        read(path)


@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize("share", [0.0, 0.2, 0.5, 0.9, 0.97])
def test_an_archive_that_is_cut_off_is_never_taken_for_whole(tmp_path: Path, zipped: bool, share: float) -> None:
    contents = [entry(f"{n}.mp4", bytes([n]) * 9_000 if zipped else bytes(4_096)) for n in range(20)]
    path = archive(tmp_path / "x.tar", *contents, zipped=zipped)
    whole = path.read_bytes()
    blocks = whole.rstrip(b"\0") if not zipped else whole
    path.write_bytes(blocks[: int(len(blocks) * share)])
    with pytest.raises(DataError, match=r"cut off or damaged|not a tar archive, or is damaged"):
        read(path)


def test_a_header_that_is_damaged_in_the_middle_is_no_end(tmp_path: Path) -> None:
    path = archive(tmp_path / "x.tar", *(entry(f"{n}", b"x" * 512) for n in range(5)), zipped=False)
    broken = bytearray(path.read_bytes())
    broken[2 * 1024 + 150] ^= 0xFF  # in the checksum of the third header
    path.write_bytes(broken)
    with pytest.raises(DataError, match="damaged"):
        read(path)


def test_a_flipped_bit_in_a_gzipped_archive_is_noticed(tmp_path: Path) -> None:
    path = archive(tmp_path / "x.tgz", entry("a", bytes(range(256)) * 400))
    broken = bytearray(path.read_bytes())
    broken[-6] ^= 0x01  # of the checksum, which stands after all that is read
    path.write_bytes(broken)
    with pytest.raises(DataError, match="damaged"):
        read(path)


def test_what_follows_a_whole_archive_does_no_harm(tmp_path: Path) -> None:
    path = archive(tmp_path / "x.tgz", entry("a", b"a"))
    path.write_bytes(path.read_bytes() + b"trailing garbage")
    assert read(path) == {"a": b"a"}


@pytest.mark.parametrize(
    "content", [b"", b"PK\x03\x04 a zip", b"<html>404</html>" * 100, gzip.compress(b"a text", mtime=0)]
)
def test_what_is_no_archive_is_told(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "x.tar.gz"
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"x\.tar\.gz: is (not a tar archive|cut off)"):
        read(path)
