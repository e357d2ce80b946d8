"""The user's own profiles: TOML files in a folder, or one named on the command line.

They are read anew for every file, so that a profile added or mended counts at once. A file that
does not hold is refused with its line or field, never passed over: the wrong profile would read
money the wrong way round.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from reconcile.model import InputError, OutsideError, Where
from reconcile.statements import Profile, load_profile

MAX_PROFILES: Final = 500
SUFFIX: Final = ".toml"
DEFAULT_FOLDER: Final = Path("~/.config/kanhe/profiles")


def own_profiles(folder: Path | None) -> tuple[Profile, ...]:
    """Return the profiles of a folder in file name order; without one, of the default folder.

    Raises `InputError` PROFILE_INVALID, `OutsideError` FILE_UNREADABLE where the folder that was
    named cannot be read.
    """
    chosen = (DEFAULT_FOLDER if folder is None else folder).expanduser()
    if folder is None and not chosen.is_dir():
        return ()
    try:
        files = sorted(path for path in chosen.iterdir() if path.suffix == SUFFIX)
    except OSError as error:
        raise _unreadable(chosen, error) from None
    found: dict[str, Profile] = {}
    for path in files[:MAX_PROFILES]:
        profile = read_profile_file(path)
        if profile.name in found:
            raise InputError(
                "PROFILE_INVALID",
                f"name: two files of {chosen} are called {profile.name!r}",
                where=Where(path.name, field="name"),
                help="rename one of them",
            )
        found[profile.name] = profile
    return tuple(found.values())


def own_file(folder: Path | None, name: str) -> Path:
    """Return the file of one of the user's own profiles."""
    chosen = (DEFAULT_FOLDER if folder is None else folder).expanduser()
    for path in sorted(chosen.glob(f"*{SUFFIX}")):
        if read_profile_file(path).name == name:
            return path
    raise OutsideError("FILE_UNREADABLE", f"{chosen} holds no profile {name!r}")


def read_profile_file(path: Path) -> Profile:
    """Read one profile file."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise _unreadable(path, error) from None
    return load_profile(content, path.name)


def choose_profile(
    text: str | None, own: tuple[Profile, ...]
) -> tuple[str | None, tuple[Profile, ...]]:
    """Return the name that `--profile` means and the profiles to look it up in.

    A text that ends in .toml is a file; it is read now and goes before all others.
    """
    if text is None or not text.endswith(SUFFIX):
        return text, own
    profile = read_profile_file(Path(text))
    return profile.name, (profile, *(one for one in own if one.name != profile.name))


def _unreadable(path: Path, error: OSError) -> OutsideError:
    return OutsideError(
        "FILE_UNREADABLE",
        f"{path} cannot be read: {error.strerror or error}",
        where=Where(path.name),
        help="check the path and its permissions; KANHE_PROFILES names the folder of profiles",
    )
