"""Changes what a stopped server has left in its --data directory.

damage.py flip DIRECTORY INDEX      another byte in the middle of that batch
damage.py lose DIRECTORY INDEX      that batch is missing
damage.py batch DIRECTORY INDEX     that batch is of a newer format, and right otherwise
damage.py engine DIRECTORY INDEX    that batch is of a newer engine, and right otherwise
damage.py part DIRECTORY            the journal's last file is of a newer format
damage.py snapshot DIRECTORY        the newest snapshot is of a newer format, and right otherwise
damage.py spoil DIRECTORY           another byte in the newest snapshot
damage.py last DIRECTORY            prints the last batch's number
"""
import glob
import hashlib
import re
import sqlite3
import sys


def number(path):
    return int(re.search(r"-(\d+)", path.rsplit("/", 1)[1]).group(1))


def parts(directory):
    return sorted(glob.glob(directory + "/journal-*.sqlite"), key=number)


def checksum(content):
    return hashlib.blake2b(bytes(8) + content, digest_size=32).digest()[:8]


def change(directory, index, changed):
    part = [path for path in parts(directory) if number(path) <= index][-1]
    with sqlite3.connect(part) as db:
        (batch,) = db.execute("SELECT batch FROM batches WHERE idx = ?", (index,)).fetchone()
        if changed is None:
            db.execute("DELETE FROM batches WHERE idx = ?", (index,))
        else:
            db.execute("UPDATE batches SET batch = ? WHERE idx = ?", (changed(batch), index))


def flip(batch):
    at = len(batch) // 2
    return batch[:at] + bytes([batch[at] ^ 0x10]) + batch[at + 1:]


def newer(batch):
    assert batch[0] == 1, "a batch begins with its version"
    content = b"\2" + batch[1:-8]
    return content + checksum(content)


def newer_engine(batch):
    assert batch[1] < 100, "then there is the engine's number"
    content = batch[:1] + bytes([batch[1] + 1]) + batch[2:-8]
    return content + checksum(content)


def newer_snapshot(directory):
    path = max(glob.glob(directory + "/snapshot-*"), key=number)
    with open(path, "r+b") as file:
        header = file.read(80)
        assert checksum(header[:-8]) == header[-8:], "a snapshot's header is 80 bytes"
        header = header[:8] + b"\2" + header[9:-8]
        file.seek(0)
        file.write(header + checksum(header))


def spoil_snapshot(directory):
    path = max(glob.glob(directory + "/snapshot-*"), key=number)
    with open(path, "r+b") as file:
        content = flip(file.read())
        file.seek(0)
        file.write(content)


def main(task, directory, index=0):
    if task == "flip":
        change(directory, int(index), flip)
    elif task == "lose":
        change(directory, int(index), None)
    elif task == "batch":
        change(directory, int(index), newer)
    elif task == "engine":
        change(directory, int(index), newer_engine)
    elif task == "part":
        with sqlite3.connect(parts(directory)[-1]) as db:
            db.execute("PRAGMA user_version = 2")
    elif task == "snapshot":
        newer_snapshot(directory)
    elif task == "spoil":
        spoil_snapshot(directory)
    elif task == "last":
        with sqlite3.connect(parts(directory)[-1]) as db:
            print(db.execute("SELECT max(idx) FROM batches").fetchone()[0])
    else:
        sys.exit("unknown task")


main(*sys.argv[1:])
