"""The arguments of `build` and `prune`, and their reports."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ondol.cli import main
from ondol.cli.parser import build_parser
from ondol.cli.vocabulary import prune_options, prune_text
from ondol.manifest import Manifest
from ondol.variants import Variant
from ondol.vocab_prune.prune import PruneOptions, PruneReport
from ondol.vocab_prune.select import Selection
from ondol.vocab_prune.verify import Fidelity


def options(*arguments: str) -> PruneOptions:
    return prune_options(build_parser().parse_args(["prune", "s", "--out", "o", *arguments]))


def test_the_defaults_are_those_of_the_library() -> None:
    assert options() == PruneOptions()
    args = build_parser().parse_args(["build", "s", "--out", "o"])
    assert args.variants == tuple(Variant)


def test_vocabulary_options() -> None:
    found = options("--languages", "ko", "--vocab-size", "41,348", "--corpus", "a", "--corpus", "b")
    assert found == PruneOptions(("ko",), 41348, (Path("a"), Path("b")))
    assert options("--corpus", "a", "--corpus-only").corpus_only


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--variants", "onnx-fp32,nope"], "unknown variant 'nope'"),
        (["--variants", "onnx-fp32,onnx-fp32"], "names a variant twice"),
        (["--prompt", "query"], "not of the form NAME=TEXT"),
        (["--prompt", "none=x"], "stands for no prompt"),
        (["--prompt", "a=x", "--prompt", "a=y"], "gives one name twice"),
        (["--keep-vocab", "--languages", "ko"], "--keep-vocab excludes"),
        (["--vocab-size", "many"], "not a whole number from 1"),
    ],
)
def test_usage_errors(arguments: list[str], message: str, tmp_path: Path, capsys: Any) -> None:
    with pytest.raises(SystemExit) as exit_info:
        main(["build", "source", "--out", str(tmp_path / "out"), *arguments])
    assert exit_info.value.code == 2
    assert message in capsys.readouterr().err


@pytest.mark.parametrize("command", ["build", "prune"])
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["{tmp}/nowhere"], "neither a directory nor a hub id"),
        (["{tmp}", "--revision", "main"], "is a directory and has no revision"),
        (["{tmp}", "--languages", "ko,de"], "languages: expected some of en, ko, got de"),
    ],
)
def test_errors(
    command: str, arguments: list[str], message: str, tmp_path: Path, capsys: Any
) -> None:
    filled = [argument.format(tmp=tmp_path) for argument in arguments]
    assert main([command, *filled, "--out", str(tmp_path / "out")]) == 1
    captured = capsys.readouterr()
    assert captured.out == ""
    assert message in captured.err
    assert not (tmp_path / "out").exists()


def test_build_states_prompts_and_prints_its_table(
    make_checkpoint: Callable[..., Path], tmp_path: Path, capsys: Any
) -> None:
    out = tmp_path / "bundle"
    command = ["build", str(make_checkpoint()), "--out", str(out), "--keep-vocab"]
    assert main([*command, "--variants", "onnx-fp32", "--prompt", "title=t: =x"]) == 0
    captured = capsys.readouterr()
    manifest = Manifest.read(out)
    assert dict(manifest.prompts) == {"title": "t: =x"}
    (row,) = (line.split() for line in captured.out.splitlines() if line.startswith("onnx-fp32"))
    assert row[1] == f"{manifest.variants[0].bytes:,}"
    assert "s] writing onnx-fp32\n" in captured.err


def test_the_report_of_a_prune() -> None:
    good = Fidelity(
        lines=100, identical_lines=99, tokens=10_000, identical_tokens=9_990, pruned_tokens=10_000,
        unknown=1, pruned_unknown=2, characters=20_000,
    )  # fmt: skip
    bad = Fidelity(
        lines=4, identical_lines=0, tokens=100, identical_tokens=10, pruned_tokens=150,
        unknown=0, pruned_unknown=30, characters=100,
    )  # fmt: skip
    report = PruneReport(
        selection=Selection((0, 1, 2), 3, 3, 0, 0, (), (), {}),
        source_rows=1000,
        fidelity={"ja": good, "ru": bad, "ko": good},
        bytes_before=5000,
        bytes_after=2000,
        left_out=("onnx/model.onnx",),
        rule="by hand",
    )
    text = prune_text(report, ("ko",))
    kept, others = text.split("other languages now suffer, the worst first\n")
    assert "3 of 1,000 rows kept; by hand\n" in kept
    assert "5,000 bytes before, 2,000 after, 3,000 saved\n" in kept
    rows = {line.split()[0]: line.split()[1:] for line in text.splitlines() if "%" in line}
    assert rows["Korean"] == ["100", "99.0%", "99.90%", "1.0", "2.0", "0.500", "0.500"]
    assert rows["Russian"] == ["4", "0.0%", "10.00%", "0.0", "2000.0", "1.000", "1.500"]
    assert others.index("Russian") < others.index("Japanese")
    assert "not taken along: onnx/model.onnx\n" in others
