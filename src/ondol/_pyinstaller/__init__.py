"""Tells PyInstaller where its hook for ondol is; found through the entry point `pyinstaller40`.

https://pyinstaller.org/en/stable/hooks.html#provide-hooks-with-package
"""

from pathlib import Path


def get_hook_dirs() -> list[str]:
    """The folder that holds hook-ondol.py."""
    return [str(Path(__file__).parent)]
