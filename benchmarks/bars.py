"""Bars that a measured number is held against."""


def passed(ok: bool) -> str:
    """Of a bar."""
    return "pass" if ok else "FAIL"
