"""Write files whole or not at all."""

from __future__ import annotations

import contextlib
import os
import secrets
import stat
from collections.abc import Callable, Mapping
from pathlib import Path

from wfm.errors import OutputError


def write_whole(files: Mapping[Path, Callable[[Path], None]]) -> None:
    """Let each writer make a file beside its target, then put all in place; on failure all is as it was.

    Raises:
        OutputError: one of them cannot be written.
    """
    made: list[tuple[Path, Path]] = []
    try:
        for path, write in files.items():
            target = Path(os.path.realpath(path))
            beside = target.with_name(f".{target.name[:100]}.{secrets.token_hex(6)}")
            made.append((beside, target))
            with open(beside, "xb"):
                pass
            write(beside)
            _last(beside, target)
        for beside, target in made:
            os.replace(beside, target)
    except OSError as error:
        why = error.strerror or str(error)
        raise OutputError(
            f"Cannot write {error.filename2 or path}: {why}. Check the directory, or name another."
        ) from error
    finally:
        for beside, _ in made:
            with contextlib.suppress(OSError):
                beside.unlink()


def _last(beside: Path, target: Path) -> None:
    """Keep the mode of a file that is replaced and make the new one last."""
    if target.is_dir():
        raise IsADirectoryError(21, "it is a directory", str(target))
    if target.exists():
        beside.chmod(stat.S_IMODE(target.stat().st_mode))
    with open(beside, "rb+") as file:
        os.fsync(file.fileno())
