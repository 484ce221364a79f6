"""What a state file needs of its file system."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from watcher.errors import StoreError, StoreLocked
from watcher.stores.sqlite.locking import FileLock, explain, network_kind, on_network, refuse_unusable

MOUNTS = r"""
22 1 254:0 / / rw,relatime shared:1 - ext4 /dev/root rw
23 22 0:21 / /proc rw,nosuid - proc proc rw
31 22 0:26 / /mnt rw,relatime shared:9 - nfs4 10.0.0.1:/export rw,vers=4.1
32 31 0:27 / /mnt/local rw,relatime - xfs /dev/sdb rw
33 22 0:28 / /srv/with\040space rw,relatime - cifs //server/share rw
34 22 0:29 / /data rw,relatime - ext4 /dev/sdc rw
35 22 0:30 / /data rw,relatime - fuse.sshfs me@host:/ rw
36 22 0:31 / /back rw,relatime - nfs 10.0.0.1:/back rw
37 22 0:32 / /back rw,relatime - tmpfs tmpfs rw
38 22 0:33 / /opt/a\134b rw,relatime - 9p host rw
39 22 0:34 / /many rw,relatime shared:1 master:2 propagate_from:3 - lustre mds:/ rw
nonsense
40 22 0:35 / /cut
41 22 0:36 / /cut/short rw -
"""


@pytest.mark.parametrize(
    ("directory", "kind"),
    [
        ("/", None),
        ("/var/lib/watcher", None),
        ("/mnt", "nfs4"),
        ("/mnt/deep/er", "nfs4"),
        ("/mnt2", None),
        ("/mnt/local", None),
        ("/mnt/local/x", None),
        ("/mnt/locality", "nfs4"),
        ("/srv/with space/x", "cifs"),
        ("/srv/with", None),
        ("/data", "fuse.sshfs"),
        ("/back/x", None),
        ("/opt/a\\b", "9p"),
        ("/many/x", "lustre"),
        ("/cut/short", None),
    ],
)
def test_the_file_system_of_a_directory_is_that_of_its_innermost_and_latest_mount(
    directory: str, kind: str | None
) -> None:
    assert network_kind(MOUNTS, directory) == kind


def test_without_mounts_nothing_is_claimed() -> None:
    assert network_kind("", "/mnt") is None


def test_a_root_on_the_network_is_one() -> None:
    assert network_kind("22 1 0:40 / / rw - nfs 10.0.0.1:/root rw", "/var/lib") == "nfs"


def test_a_scratch_directory_of_this_machine_is_on_no_network(tmp_path: Path) -> None:
    mounts = Path("/proc/self/mountinfo").read_text(encoding="utf-8")
    assert on_network(tmp_path / "watcher.db") == network_kind(mounts, str(tmp_path.resolve()))


def failure(path: Path, statement: str) -> sqlite3.Error:
    """A real error of SQLite's."""
    try:
        with closing(sqlite3.connect(f"file:{path}?mode=rw", uri=True, timeout=0)) as connection:
            connection.execute(statement)
    except sqlite3.Error as error:
        return error
    pytest.fail("SQLite took it")


def test_explain_names_the_remedy_for_an_error_of_sqlite(tmp_path: Path) -> None:
    path = tmp_path / "watcher.db"
    assert "it cannot be opened; check that its directory exists" in explain(path, failure(path, "select 1"))
    path.write_text("no database, but as long as a header would be" * 10)
    told = explain(path, failure(path, "select * from sqlite_master"))
    assert told.startswith(f"{path}: it is not an SQLite database; name another file")
    assert told.endswith("(file is not a database)")


def test_explain_names_a_file_that_another_process_holds(tmp_path: Path) -> None:
    path = tmp_path / "watcher.db"
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("create table t (x)")
    other.execute("begin exclusive")
    error = failure(path, "insert into t values (1)")
    other.close()
    assert "another process has locked it" in explain(path, error)


@pytest.mark.parametrize(
    ("code", "meaning"),
    [
        (sqlite3.SQLITE_FULL, "the disk is full"),
        (sqlite3.SQLITE_READONLY, "it is read-only"),
        (sqlite3.SQLITE_READONLY_DBMOVED, "it is read-only"),
        (sqlite3.SQLITE_IOERR_FSYNC, "the disk reported an error"),
        (sqlite3.SQLITE_CORRUPT_INDEX, "the file is damaged"),
        (sqlite3.SQLITE_BUSY_SNAPSHOT, "another process has locked it"),
    ],
)
def test_extended_codes_mean_what_their_primary_means(code: int, meaning: str) -> None:
    error = sqlite3.OperationalError("what SQLite said")
    error.sqlite_errorcode = code
    assert explain(Path("a.db"), error).startswith(f"a.db: {meaning}")
    assert explain(Path("a.db"), error).endswith("(what SQLite said)")


def test_explain_returns_an_unknown_error_as_it_is() -> None:
    assert explain(Path("a.db"), sqlite3.OperationalError("no such table: t")) == "a.db: no such table: t"


def test_a_path_that_cannot_be_a_state_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="is a directory; name a file"):
        refuse_unusable(tmp_path)
    with pytest.raises(StoreError, match=f"{tmp_path / 'none'} does not exist; create it"):
        refuse_unusable(tmp_path / "none" / "watcher.db")
    refuse_unusable(tmp_path / "watcher.db")


def test_a_lock_is_one_daemons_and_says_whose(tmp_path: Path) -> None:
    path = tmp_path / "watcher.db.lock"
    first, second = FileLock(path), FileLock(path)
    first.take()
    with pytest.raises(StoreLocked, match=rf"watcher\.db: another daemon \(process {os.getpid()}\) uses it"):
        second.take()
    first.release()
    first.release()
    second.take()
    second.release()
    assert path.exists()


def test_a_lock_ends_with_its_process(tmp_path: Path) -> None:
    path = tmp_path / "watcher.db.lock"
    code = (
        "import sys; from pathlib import Path; from watcher.stores.sqlite.locking import FileLock\n"
        "FileLock(Path(sys.argv[1])).take(); print('taken', flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == b"taken\n"
        with pytest.raises(StoreLocked, match=f"process {other.pid}"):
            FileLock(path).take()
        other.kill()
    lock = FileLock(path)
    lock.take()
    lock.release()


def test_a_lock_follows_no_link_and_overwrites_nothing(tmp_path: Path) -> None:
    lock, other = tmp_path / "watcher.db.lock", tmp_path / "other"
    other.write_text("precious\n", encoding="utf-8")
    lock.symlink_to(other)
    with pytest.raises(StoreError, match=r"watcher\.db\.lock: this is a symbolic link"):
        FileLock(lock).take()
    other.replace(lock)
    with pytest.raises(StoreError, match=r"watcher\.db\.lock: this is not a lock of watcher; move it away"):
        FileLock(lock).take()
    assert lock.read_text(encoding="utf-8") == "precious\n"
    lock.unlink()
    os.mkfifo(lock)
    with pytest.raises(StoreError, match="this is not a lock of watcher"):
        FileLock(lock).take()


def test_an_older_and_longer_content_of_a_lock_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "watcher.db.lock"
    path.write_text("12345678901234567890\n", encoding="utf-8")
    lock = FileLock(path)
    lock.take()
    assert path.read_text(encoding="utf-8") == f"{os.getpid()}\n"
    lock.release()
