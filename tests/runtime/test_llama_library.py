"""What loading llama.cpp does to the process."""

import os
import subprocess
import sys

import pytest

#: Prints the policy that libgomp reads when llama_cpp loads it, and the environment afterwards.
PROGRAM = """
import os, sys, types

class Finder:
    def find_spec(self, name, path=None, target=None):
        if name == "llama_cpp":
            print(os.environ.get("OMP_WAIT_POLICY"))

sys.meta_path.insert(0, Finder())
from ondol.runtime.llama_library import llama_library
llama_library("the test")
print(os.environ.get("OMP_WAIT_POLICY"))
"""


@pytest.mark.parametrize(
    ("given", "expected"), [(None, ["passive", "None"]), ("active", ["active", "active"])]
)
def test_waiting_threads_sleep_unless_the_user_says_otherwise(
    given: str | None, expected: list[str]
) -> None:
    environment = {k: v for k, v in os.environ.items() if k != "OMP_WAIT_POLICY"}
    if given:
        environment["OMP_WAIT_POLICY"] = given
    result = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert result.stdout.splitlines() == expected
