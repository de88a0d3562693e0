"""What the user reads when huggingface_hub raises."""

import pytest

from ondol.hub.failures import broke_off, reason, status_code

huggingface_hub = pytest.importorskip("huggingface_hub")


def raised(error: Exception, cause: Exception) -> Exception:
    """`error`, raised from `cause`."""
    error.__cause__ = cause
    return error


# Named as in requests and httpx, by whose names they are known.
ReadTimeout = type("ReadTimeout", (Exception,), {})
ChunkedEncodingError = type("ChunkedEncodingError", (Exception,), {})


class StatusError(Exception):
    def __init__(self, status: int) -> None:
        super().__init__("line one\n\n  line two")
        self.response = type("Response", (), {"status_code": status})()


def test_a_time_limit_is_stated_with_what_sets_it(monkeypatch: pytest.MonkeyPatch) -> None:
    from huggingface_hub import constants, errors

    monkeypatch.setattr(constants, "HF_HUB_ETAG_TIMEOUT", 7)
    monkeypatch.setattr(constants, "HF_HUB_DOWNLOAD_TIMEOUT", 9)
    while_asking = raised(errors.LocalEntryNotFoundError("offline?"), ReadTimeout("read"))
    assert "nothing for 7 seconds" in reason(while_asking, "org/name")
    assert "HF_HUB_ETAG_TIMEOUT sets" in reason(while_asking, "org/name")
    assert "nothing for 9 seconds" in reason(ReadTimeout("read"), "org/name")
    assert "HF_HUB_DOWNLOAD_TIMEOUT sets" in reason(ReadTimeout("read"), "org/name")


def test_a_status_is_found_behind_other_errors_and_fits_one_line() -> None:
    error = raised(RuntimeError("upload failed"), StatusError(502))
    assert status_code(error) == 502
    assert reason(error, "org/name") == "the hub answered 502, upload failed: try again later"
    assert "\n" not in reason(StatusError(401), "org/name")
    assert status_code(ValueError()) is None


def test_only_a_transfer_that_had_begun_broke_off() -> None:
    assert broke_off(raised(OSError("stopped"), ChunkedEncodingError()))
    assert not broke_off(ReadTimeout())


def test_a_full_disk_is_no_matter_of_the_hub() -> None:
    from huggingface_hub import constants

    found = reason(OSError(28, "No space left on device"), "org/name")
    assert found.startswith("[Errno 28] No space left on device: see that the hub's cache, ")
    assert constants.HF_HUB_CACHE in found


def test_an_answer_that_no_hub_gives_is_named() -> None:
    assert reason(KeyError("url"), "org/name").startswith("KeyError, 'url': see that ")
