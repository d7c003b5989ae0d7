"""Processes of this machine, by /proc."""

from __future__ import annotations

from pathlib import Path


def drawers() -> list[int]:
    """The processes of lbw that workers of Ray have started."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                words = (entry / "cmdline").read_bytes().split(b"\0")
                parent = int((entry / "stat").read_text().rsplit(")", 1)[1].split()[1])
                of_parent = Path(f"/proc/{parent}/cmdline").read_bytes()
            except (OSError, ValueError):
                continue
            if b"worker" in words and words[0].endswith(b"lbw") and of_parent.startswith(b"ray::Drawer"):
                found.append(int(entry.name))
    return found
