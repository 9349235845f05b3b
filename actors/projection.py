"""The journal's deliberations as rows of a SQLite file, searchable; knows nothing of NATS.

The file is only a copy: whoever deletes it loses nothing, for it is made again from the journal.
One thread at a time may use it.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import chain, dropwhile
from pathlib import Path
from typing import Any, NamedTuple

from engine.events import Convened, Record
from engine.outline import Outline, put_away, taken_up

VERSION = 2
"""To be raised whenever the same records would make other rows."""

_SCHEMA = """
CREATE TABLE place (identity TEXT NOT NULL, seq INTEGER NOT NULL);
INSERT INTO place VALUES ('', 0);
CREATE TABLE deliberations (
    seq INTEGER PRIMARY KEY,  -- of its first message in the stream
    key TEXT NOT NULL UNIQUE,
    id TEXT NOT NULL,
    role TEXT NOT NULL,
    story_id TEXT NOT NULL,
    purpose TEXT NOT NULL,
    status TEXT NOT NULL,
    began REAL NOT NULL,
    ended REAL,
    took_ms INTEGER NOT NULL,
    error_type TEXT NOT NULL,
    stop_reason TEXT NOT NULL,
    policy TEXT NOT NULL,
    winner TEXT NOT NULL,
    prompt INTEGER NOT NULL,
    cached INTEGER NOT NULL,
    generated INTEGER NOT NULL,
    aborted INTEGER NOT NULL,
    turns INTEGER NOT NULL,
    replied_ms INTEGER NOT NULL,
    outline TEXT  -- to go on from, until it has ended
);
CREATE INDEX by_story ON deliberations (story_id);
CREATE INDEX by_end ON deliberations (ended, took_ms);
CREATE VIRTUAL TABLE texts USING fts5 (task, decision);
"""

_WRITE = """
INSERT OR REPLACE INTO deliberations
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
"""

Values = Sequence[Any] | Mapping[str, Any]


class Message(NamedTuple):
    """Records of one deliberation that came together: its key, and their place in the stream."""

    key: str
    seq: int
    records: tuple[Record, ...]


class Projection:
    """The rows at `path`; a file there that is damaged or of another version is made anew."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._db = self._opened()

    def close(self) -> None:
        """Leave the file as it is."""
        self._db.close()

    def discard(self) -> None:
        """Leave, and delete the file."""
        self._db.close()
        self._delete()

    def follow(self, identity: str, first: int, last: int) -> int:
        """How far the stream of that identity has been read, 0 for not at all.

        What was read of another stream is forgotten, or of one that went further than `last`; so
        is what begins before `first`, which the stream does not hold any more.
        """
        if not self.path.exists():
            self._db.close()
            self._db = self._made()
        ((known, seq),) = self._db.execute("SELECT identity, seq FROM place")
        with self._whole():
            if known != identity or seq > last:
                first, seq = 2**62, 0
                self._db.execute("UPDATE place SET identity = ?, seq = 0", (identity,))
            self._db.execute("DELETE FROM texts WHERE rowid < ?", (first,))
            self._db.execute("DELETE FROM deliberations WHERE seq < ?", (first,))
        return int(seq)

    def take(self, messages: Sequence[Message], upto: int) -> None:
        """Take in what the stream holds behind the place so far, up to another one."""
        with self._whole():
            for key, together in _by_key(messages).items():
                self._add(key, together)
            self._db.execute("UPDATE place SET seq = max(seq, ?)", (upto,))

    def rows(
        self, sql: str, values: Sequence[Any] | Mapping[str, Any] = ()
    ) -> list[tuple[Any, ...]]:
        """What a SELECT finds; whatever a user said is among `values`."""
        return self._db.execute(sql, values).fetchall()

    def _add(self, key: str, messages: Sequence[Message]) -> None:
        """Take in messages of one deliberation; those behind its end are passed over."""
        found = self.rows("SELECT seq, outline FROM deliberations WHERE key = ?", (key,))
        if found:
            ((seq, outline),) = found
            if outline is not None:
                self._write(seq, key, _with(taken_up(outline), messages))
            return
        told = [*dropwhile(lambda message: not _begins(message), messages)]
        if told:  # else the stream holds its beginning no more
            self._write(told[0].seq, key, _with(Outline(), told), new=True)

    def _write(self, seq: int, key: str, outline: Outline, *, new: bool = False) -> None:
        row = _row(seq, key, outline)
        self._db.execute(_WRITE, row)
        if new:
            texts = (seq, outline.task, outline.decision)
            self._db.execute("INSERT INTO texts (rowid, task, decision) VALUES (?, ?, ?)", texts)
        elif outline.decision:
            decided = (outline.decision, seq)
            self._db.execute("UPDATE texts SET decision = ? WHERE rowid = ?", decided)

    def _opened(self) -> sqlite3.Connection:
        db = sqlite3.connect(self.path, isolation_level=None, check_same_thread=False)
        try:
            _hasten(db)
            (version,) = db.execute("PRAGMA user_version").fetchone()
            ((sound,),) = db.execute("PRAGMA quick_check(1)")
            if (version, sound) == (VERSION, "ok"):
                return db
        except sqlite3.DatabaseError:
            pass  # it is damaged, or no such file at all
        db.close()
        return self._made()

    def _made(self) -> sqlite3.Connection:
        self._delete()
        db = sqlite3.connect(self.path, isolation_level=None, check_same_thread=False)
        _hasten(db)
        db.executescript(f"BEGIN; {_SCHEMA} PRAGMA user_version = {VERSION}; COMMIT;")
        return db

    def _delete(self) -> None:
        for path in (self.path, self.path.with_name(f"{self.path.name}-journal")):
            path.unlink(missing_ok=True)

    @contextmanager
    def _whole(self) -> Iterator[None]:
        """All of it or nothing."""
        self._db.execute("BEGIN")
        try:
            yield
        except BaseException:
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
            raise
        self._db.execute("COMMIT")


def _hasten(db: sqlite3.Connection) -> None:
    """Wait for no disk: what a crash of the machine takes is made anew."""
    db.execute("PRAGMA synchronous = OFF")


def _by_key(messages: Sequence[Message]) -> dict[str, list[Message]]:
    """Those of one deliberation together: it is taken up and put away once for all of them."""
    found: dict[str, list[Message]] = {}
    for message in messages:
        found.setdefault(message.key, []).append(message)
    return found


def _begins(message: Message) -> bool:
    return bool(message.records) and isinstance(message.records[0].event, Convened)


def _with(outline: Outline, messages: Sequence[Message]) -> Outline:
    for record in chain.from_iterable(message.records for message in messages):
        if outline.ended:
            break
        outline.add(record.event, record.at)
    return outline


def _row(seq: int, key: str, outline: Outline) -> tuple[Any, ...]:
    """In the order of the table's columns."""
    usage, ended = outline.usage, outline.status in ("completed", "failed")
    return (
        seq,
        key,
        outline.id,
        outline.role,
        outline.story_id,
        outline.purpose,
        outline.status,
        outline.began,
        outline.ended if ended else None,
        round(outline.worked_s * 1000),
        outline.error_type,
        outline.stop_reason,
        outline.policy,
        outline.winner,
        usage.prompt,
        usage.cached,
        usage.generated,
        usage.aborted,
        outline.turns,
        round(outline.replied_s * 1000),
        None if ended else put_away(outline),
    )
