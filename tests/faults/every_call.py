"""A workload that changes files in every way the recorder knows: ``folder seed steps``."""

import os
import sys
import threading
from pathlib import Path


def main() -> None:
    """Do each once, and some from several threads."""
    folder = Path(sys.argv[1])
    (folder / "rooms").mkdir()
    inside = os.open(folder / "rooms", os.O_RDONLY)
    os.mkdir("deeper", dir_fd=inside)
    file = os.open(folder / "rooms" / "file", os.O_RDWR | os.O_CREAT, 0o600)
    os.write(file, b"written at its own position")
    os.writev(file, [b", in two", b" parts"])
    os.pwrite(file, b"HERE", 8)
    os.pwritev(file, [b"and", b"there"], 5_000)
    os.ftruncate(file, 5_004)
    os.posix_fallocate(file, 6_000, 100)
    os.fsync(file)
    os.fdatasync(inside)
    os.rename("file", "renamed", src_dir_fd=inside, dst_dir_fd=inside)
    (folder / "rooms" / "renamed").rename(folder / "moved")
    os.chdir(folder)
    added = os.open("added", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    threads = [
        threading.Thread(target=lambda byte=byte: [os.write(added, bytes([byte])) for _ in range(500)])
        for byte in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for name in ("gone", "gone, too"):
        Path(name).write_text(name)
    Path("gone").unlink()
    os.unlink("gone, too", dir_fd=os.open(folder, os.O_RDONLY))
    Path("overwritten").write_text("something long")
    Path("overwritten").write_text("short")


if __name__ == "__main__":
    main()
