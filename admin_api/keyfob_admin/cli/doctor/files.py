"""What `keyfob doctor` looks at on the disk: the database's files, the space left for them, and the change signal."""

from __future__ import annotations

import errno
import os
import re
import stat
import tempfile
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from keyfob.errors import ConfigError, NotMigrated, StoreUnavailable
from keyfob.store.sqlite.files import refuse_second_name, repair
from keyfob.store.sqlite.reserve import Reserve
from keyfob.store.sqlite.store import SQLiteStore
from keyfob_admin.cli.doctor.findings import FAIL, OK, WARN, Finding
from keyfob_admin.cli.exit_codes import finding_of
from keyfob_admin.cli.times import now

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from keyfob.config.settings import Settings
    from keyfob.store.contract.transaction import Transaction
    from keyfob_admin.cli.context import CliContext

NOT_LOCAL = (
    *("nfs", "cifs", "smb", "9p", "afs", "ceph", "gluster", "lustre", "beegfs", "gpfs", "virtiofs", "vboxsf"),
    *("sshfs", "s3fs", "gcsfuse", "juicefs", "rclone", "davfs", "grpcfuse", "osxfs"),  # most of them behind "fuse."
)
MIB = 1 << 20
LITTLE = 64 * MIB  # bytes; with less left it is time to look
TEST_WRITE = MIB  # bytes
ALIVE = timedelta(minutes=5)  # a worker says something every minute

_NO_ROOM = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO}
_NO_RIGHT = "give this account the right to write there; a read-only mount gives it to nobody"
_NO_SECRETS = ("-signal", "-reserve", "-limits")  # ends of names of files that anybody may read


def database_file(settings: Settings) -> Iterator[Finding]:
    """Check the file, its neighbours, the file system under it and the room on that."""
    path = sqlite_path(settings)
    if path is None:
        return
    if not path.exists():
        yield Finding(FAIL, "database", f"{path} is missing", "`keyfob init` makes it, or restore a backup")
        return
    try:
        refuse_second_name(path)
    except ConfigError as error:
        yield Finding(FAIL, "database", str(error), "give every process the same folder, and one name in it")
    yield from _owners(path)
    if not os.access(path, os.W_OK) or not os.access(path.parent, os.W_OK):
        yield Finding(FAIL, "database", f"{path} or its folder cannot be written", "give this account the right to")
    kind = file_system_of(path)
    if kind is not None and kind.removeprefix("fuse.").startswith(NOT_LOCAL):
        fix = "move it to a local disk: elsewhere a revoked key may pass, and the file may break"
        yield Finding(FAIL, "database", f"{path} is on {kind}, which is not local", fix)
    else:
        yield Finding(OK, "database", f"{path} is on a local file system ({kind or 'as far as can be told'})")
    yield _disk(path)


def repair_of(settings: Settings, error: Exception) -> str:
    """Say what to do where the database cannot answer for *error*; nothing where that says it itself."""
    path = sqlite_path(settings)
    if path is not None:
        return repair(path, str(error))
    if isinstance(error, StoreUnavailable) and not isinstance(error, NotMigrated):
        return "see that PostgreSQL runs there, and what url under [store] says of host, database, user and password"
    return ""


def _owners(path: Path) -> Iterator[Finding]:
    """Check who can read each file, and that all are the database's owner's."""
    owner = path.stat().st_uid
    for file in (path, *(path.with_name(path.name + end) for end in ("-wal", "-shm", *_NO_SECRETS))):
        if not file.exists():
            continue
        if is_open(file) and not file.name.endswith(_NO_SECRETS):
            yield Finding(FAIL, "database", f"{file} is open to others", f"chmod 600 {file}")
        if file.stat().st_uid != owner:
            fix = f"chown --reference={path} {file}"
            yield Finding(FAIL, "database", f"{file} belongs to another account than {path}", fix)


def _disk(path: Path) -> Finding:
    """Look for room, by asking the file system and by a test write that is removed again."""
    room = os.statvfs(path.parent)
    free = room.f_bavail * room.f_frsize
    fix = "make room: until then changes are 503, but for the few revocations that the reserve is for"
    try:
        with tempfile.TemporaryFile(dir=path.parent, prefix=".keyfob-doctor-") as file:
            file.write(os.urandom(TEST_WRITE))
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        detail = f"{path.parent} takes no test write ({error.strerror}); {free // MIB} MiB are free"
        return Finding(FAIL, "disk", detail, fix if error.errno in _NO_ROOM else _NO_RIGHT)
    kept = Reserve(path).size()
    if free < LITTLE:
        return Finding(WARN, "disk", f"{free // MIB} MiB are free in {path.parent}", fix)
    return Finding(OK, "disk", f"{free // MIB} MiB are free in {path.parent}, and {kept // 1024} KiB in reserve")


async def writing(context: CliContext) -> AsyncIterator[Finding]:
    """Begin a change, and end it with nothing changed."""

    async def change_nothing(_: Transaction) -> None:
        pass

    try:
        await context.store.change(change_nothing)
    except StoreUnavailable as error:
        fix = "end what holds it: an open transaction of another program, or a stopped process; else let it be written"
        yield Finding(FAIL, "database", f"nothing can be changed now, not even revoked: {finding_of(error)}", fix)


async def signal(context: CliContext) -> AsyncIterator[Finding]:
    """Check that a change made here is seen immediately, by each worker in the list."""
    if not isinstance(context.store, SQLiteStore):
        return
    path = context.store.signal.path
    if not context.store.is_immediate:
        fix = f"let this account write {path}, or remove what is there instead of a file"
        detail = f"{path} cannot be written: changes take {context.settings.max_staleness:g} s"
        yield Finding(FAIL, "change signal", detail, fix)
        return
    if is_open(path) and not is_open(context.store.path):
        yield Finding(FAIL, "change signal", f"{path} is open to others", f"chmod 600 {path}")
    recently = now() - ALIVE
    elsewhere = [worker for worker in await context.runtime.unreached() if worker.seen_at > recently]
    for worker in elsewhere:
        reads = "reads another one: another kernel, folder or name of the file" if worker.signal else "cannot read it"
        fix = f"let it read {path}, in the folder that all share, and restart it"
        detail = f"worker {worker.id} on {worker.host} {reads}; changes reach it within {worker.lease:g} s"
        yield Finding(FAIL, "change signal", detail, fix)
    if not elsewhere:
        yield Finding(OK, "change signal", "every worker sees a change immediately")


def sqlite_path(settings: Settings) -> Path | None:
    """Give the database's file, if it is one."""
    return settings.store_url.path if settings.store_url else None


def file_system_of(path: Path) -> str | None:
    """Name the kind of file system that *path* is on; None where the system does not say."""
    try:
        mounts = Path("/proc/self/mounts").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return None
    real = path.resolve()
    found = [line.split()[1:3] for line in mounts]
    fitting = [(where, kind) for where, kind in found if real.is_relative_to(_unescaped(where))]
    newest_first = reversed(fitting)  # of two at one place the newer one counts, such as nfs over autofs
    return max(newest_first, key=lambda mount: len(mount[0]))[1] if fitting else None


def _unescaped(where: str) -> str:
    """Undo how the table of mounts writes blanks: as octal numbers."""
    return re.sub(r"\\([0-7]{3})", lambda found: chr(int(found[1], 8)), where)


def is_open(path: Path) -> bool:
    """Tell whether others than the owner can use *path*."""
    return bool(path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO))
