"""Opens SQLite connections the way Keyfob needs them: never creating, bounded in waiting, in a daemon thread."""

from __future__ import annotations

import asyncio
import os
import re
import sqlite3
import threading
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import quote

import aiosqlite

from keyfob.errors import ConfigError, StoreUnavailable

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence

T = TypeVar("T")

BUSY_TIMEOUT = 2.0  # seconds that a statement waits for another process's lock
_CHUNK = 64  # rows that a cursor fetches at once; we fetch all
_TRY_AGAIN = 0.002  # seconds between two tries to get the lock for writing

_ALWAYS = ("PRAGMA foreign_keys = ON", "PRAGMA secure_delete = ON", "PRAGMA trusted_schema = OFF")
_AT_ONCE = "PRAGMA busy_timeout = 0"  # whoever is to write waits in `begin`
_ON_DISK = (*_ALWAYS, "PRAGMA synchronous = FULL")  # a commit is on the disk before it is acknowledged
_SURVIVING = (*_ALWAYS, "PRAGMA synchronous = NORMAL")  # a killed process; seconds may be lost with the power
WRITER = (*_ON_DISK, _AT_ONCE)
NOTES = (*_SURVIVING, _AT_ONCE)
READER = (*_ALWAYS, "PRAGMA query_only = ON")

_DISK_FULL = {"SQLITE_FULL", "SQLITE_IOERR_WRITE", "SQLITE_IOERR_SHMSIZE"}  # the second for a quota
_OCTAL = re.compile(r"\\([0-7]{3})")  # how the table of mounts writes blanks
_DAMAGE = re.compile("SQLITE_(?:CORRUPT|NOTADB)|malformed|not a database|empty file")
_NO_SHARED_MEMORY = {"SQLITE_IOERR_SHMMAP", "SQLITE_IOERR_SHMLOCK"}


@contextmanager
def translate_failures() -> Iterator[None]:
    """Turn whatever keeps the database from answering into StoreUnavailable.

    Only SQLite's own name of the error goes into the message: its text may quote what is in a row.
    """
    try:
        yield
    except sqlite3.Error as error:
        reason = getattr(error, "sqlite_errorname", None) or type(error).__name__
        raise StoreUnavailable(f"the database cannot answer ({reason})") from error
    except (OSError, ValueError, TypeError, LookupError) as error:  # closed connections, unreadable files and rows
        raise StoreUnavailable(f"the database cannot answer ({type(error).__name__})") from error


def repair(path: Path, error: str) -> str:
    """What to do about the database at *path*, if the text *error* says that it is damaged; else nothing."""
    if not _DAMAGE.search(error):
        return ""
    return f"move {path}, its -wal and its -shm elsewhere, then put a backup in its place with `keyfob db restore`"


def is_disk_full(error: StoreUnavailable) -> bool:
    """Whether *error* of `translate_failures` says that there is no room to write."""
    return getattr(error.__cause__, "sqlite_errorname", None) in _DISK_FULL


def address(path: Path, options: str = "mode=rw") -> str:
    """The URI that opens *path*, by default for reading and writing, and fails if it is not there."""
    return f"file:{quote(str(path))}?{options}"


def refuse_second_name(path: Path) -> None:
    """Raise ConfigError if the database at *path* can be reached by another name than those in its own folder.

    SQLite finds its write-ahead log by the database's name, and so do we the change signal. Two processes that open
    one file under two names would have two of each: they overwrite each other, and a revoked key passes for good.
    """
    real = path.resolve()
    try:
        links = real.stat().st_nlink
    except OSError:
        return
    if real.is_dir():
        raise ConfigError(
            f"{path} is a folder, as container runtimes make one where a file that they shall mount is missing; "
            "remove it, and mount the folder that the database is in"
        )
    if links > 1:
        raise ConfigError(
            f"{path} has {links} names (hard links), each with a write-ahead log and a change signal of its own; "
            "remove the others, or copy the file to a new one"
        )
    if str(real) in mount_points():
        raise ConfigError(
            f"{path} is mounted as a single file, so its write-ahead log and change signal stay outside the mount; "
            "mount the folder that it is in"
        )


def mount_points() -> list[str]:
    """Where file systems, folders and files are mounted, as this process sees it; nothing where that is not told."""
    try:
        lines = Path("/proc/self/mountinfo").read_text(encoding="utf-8", errors="surrogateescape").splitlines()
    except OSError:
        return []
    return [_OCTAL.sub(lambda found: chr(int(found[1], 8)), line.split()[4]) for line in lines]


def make_private(path: Path, *, exclusively: bool) -> None:
    """Make the file *path*, mode 0600 whatever the umask. Raises OSError, also if it is there and must not be."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | (os.O_EXCL if exclusively else 0), 0o600)
    try:
        if not os.fstat(descriptor).st_size:
            os.fchmod(descriptor, 0o600)
    finally:
        os.close(descriptor)


@contextmanager
def needing_wal(path: Path) -> Iterator[None]:
    """Say in plain words, as ConfigError, when the file system of *path* cannot share or lock memory."""
    try:
        yield
    except sqlite3.Error as error:
        if getattr(error, "sqlite_errorname", None) in _NO_SHARED_MEMORY:
            raise ConfigError(_no_wal(path)) from error
        raise


def open_plainly(path: Path) -> sqlite3.Connection:
    """Open *path* for work that is not part of serving requests.

    Raises:
        ConfigError: its file system cannot do write-ahead logging.
        sqlite3.Error: it is not there, or is no database.
    """
    connection = sqlite3.connect(address(path), uri=True, timeout=BUSY_TIMEOUT, isolation_level=None)
    try:
        with needing_wal(path):
            for pragma in _ON_DISK:
                connection.execute(pragma)
    except BaseException:
        connection.close()
        raise
    return connection


def require_wal(connection: sqlite3.Connection, path: Path) -> None:
    """Switch to write-ahead logging. Raises ConfigError where the file system cannot do it."""
    with needing_wal(path):
        (mode,) = connection.execute("PRAGMA journal_mode = WAL").fetchone()
        connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()  # only now is memory shared
    if mode != "wal":
        raise ConfigError(_no_wal(path))


def _no_wal(path: Path) -> str:
    return (
        f"the file system of {path} does not support SQLite's write-ahead log, which Keyfob needs to see changes "
        "at once; move the database to a local disk (network and some container mounts cannot hold it)"
    )


class QuietConnection(aiosqlite.Connection):
    """A connection whose calls are opaque to aiosqlite and asyncio.

    Both log what they are given when somebody asks for debug messages: statements, their values, rows and SQLite's own
    messages. Here they are given a function without arguments that returns nothing.
    """

    stopping: asyncio.Future[Any] | None = None  # done when the thread has ended

    def stop(self) -> asyncio.Future[Any] | None:
        """End the thread, and keep what tells when that is done: aiosqlite itself does not wait after a failure."""
        self.stopping = super().stop()
        return self.stopping

    async def write(self, *statements: tuple[str, Sequence[object] | Mapping[str, object]]) -> list[Any]:
        """Run *statements* in one transaction and one call to the thread, as soon as no other process is writing.

        Returns the rows of the last one.

        An event loop that stands still between two calls, as that of a serverless function does, would otherwise hold
        the database's lock meanwhile.
        """
        return await patiently(lambda: self._execute(self._write, statements))

    def _write(self, statements: Sequence[tuple[str, Sequence[object] | Mapping[str, object]]]) -> list[Any]:
        connection, rows = self._conn, []
        connection.execute("BEGIN IMMEDIATE")
        try:
            for sql, parameters in statements:
                rows = connection.execute(sql, parameters).fetchall()
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:  # SQLite itself rolls back after some failures
                connection.execute("ROLLBACK")
            raise
        return rows

    async def _execute(self, fn: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 (aiosqlite's)
        ended: list[tuple[Any, BaseException | None]] = []

        def work() -> None:
            try:
                ended.append((fn(*args, **kwargs), None))
            except BaseException as error:  # noqa: BLE001 (raised again for the caller)
                ended.append((None, error))

        await super()._execute(work)  # type: ignore[no-untyped-call]
        ((result, error),) = ended
        if error is not None:
            raise error
        return result


async def begin(connection: QuietConnection) -> None:
    """BEGIN IMMEDIATE, as soon as no other process is writing. Raises sqlite3.OperationalError."""
    await patiently(lambda: connection.execute_fetchall("BEGIN IMMEDIATE"))


async def patiently(attempt: Callable[[], Awaitable[T]]) -> T:
    """Make *attempt* again until it gets the database's lock, and return what it returns.

    SQLite itself would try some forty times in two seconds. Where the disk is slow and another process writes without
    a pause, the lock is free for instants only, and none of so few tries need meet one.

    Raises:
        sqlite3.OperationalError: others were writing for all of BUSY_TIMEOUT.

    """
    clock = asyncio.get_running_loop().time
    until = clock() + BUSY_TIMEOUT
    while True:
        try:
            return await attempt()
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or clock() >= until:
                raise
            await asyncio.sleep(_TRY_AGAIN)


async def open_connection(path: Path, pragmas: tuple[str, ...]) -> QuietConnection:
    """Open *path*, which must exist, with every pragma applied."""
    connection = _in_daemon_thread(path)
    try:
        _ = await connection
    except BaseException:
        if connection.stopping is not None:  # its thread would else look for an event loop that may have ended
            await asyncio.wait([connection.stopping], timeout=BUSY_TIMEOUT)
        raise
    try:
        for pragma in pragmas:
            await connection.execute_fetchall(pragma)
    except BaseException:
        await connection.close()
        raise
    return connection


def _in_daemon_thread(path: Path) -> QuietConnection:
    """Make the connection object in a daemon thread, so that the worker thread it makes is one too.

    aiosqlite's worker would otherwise keep the process from exiting when somebody forgets `close`. Nothing is
    lost by that: what was acknowledged is on the disk, what was not is rolled back at the next opening.
    """
    made: list[QuietConnection] = []

    def connect() -> sqlite3.Connection:
        return sqlite3.connect(address(path), uri=True, timeout=BUSY_TIMEOUT, isolation_level=None)

    def make() -> None:
        made.append(QuietConnection(connect, _CHUNK))

    maker = threading.Thread(target=make, daemon=True)
    maker.start()
    maker.join()
    return made[0]
