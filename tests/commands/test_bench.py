"""The verb from end to end: small sizes, no time to take turns but the least."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from matgrad.__main__ import main
from matgrad.commands.bench import case_of
from matgrad.commands.bench.machine import all_cores, last_level_cache

from .conftest import StandIn

QUICK = ["bench", "--sizes", "2,5", "--seconds", "0", "--peers"]


def rows(out: str) -> list[list[str]]:
    return [line.split() for line in out.splitlines() if line.strip()[:1].isdigit()]


def test_each_operation_has_a_table_with_a_row_for_each_size(
    capsys: pytest.CaptureFixture[str],
) -> None:
    arguments = ["numpy,scipy", "--operation", "det,trace", "--batch", "1", "--dtype", "float32"]
    assert main([*QUICK, *arguments]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    assert out.startswith("matgrad ")
    titles = [line for line in out.splitlines() if line.endswith("1 thread")]
    assert titles == [f"{name}, float32, 1 matrix, 1 thread" for name in ("det", "trace")]
    found = rows(out)
    assert [row[:2] for row in found] == [["2", "1"], ["5", "1"]] * 2
    for _, _, matgrad, numpy, scipy, ratio, matmul in found:
        best = min(float(time) for time in (numpy, scipy) if time != "-")
        assert float(ratio) == pytest.approx(best / float(matgrad), rel=0.02)
        assert matmul.endswith("%")
    assert [row[4] == "-" for row in found] == [False, False, True, True]


def test_a_plot_is_drawn(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib", reason="matplotlib is not installed")
    path = tmp_path / "speed.svg"
    assert main([*QUICK, "numpy", "--operation", "det", "--batch", "1", "--plot", str(path)]) == 0
    assert path.read_text().startswith("<?xml")


def test_a_wrong_implementation_fails_and_is_named(
    stand_in: StandIn, capsys: pytest.CaptureFixture[str]
) -> None:
    stand_in("linalg.det = lambda X: np.linalg.det(X) * (1 + 1e-9)")
    assert main([*QUICK, "torch", "--operation", "det", "--batch", "10"]) == 1
    out = capsys.readouterr().out
    assert [row[3] for row in rows(out)] == ["WRONG", "WRONG"]
    assert "FAILED: torch's det, n = 5, float64: off by" in out


def test_a_process_that_dies_ends_the_run_in_one_sentence(
    stand_in: StandIn, capsys: pytest.CaptureFixture[str]
) -> None:
    stand_in("linalg.det = lambda X: os._exit(3)")
    assert main([*QUICK, "torch", "--operation", "det", "--batch", "10"]) == 2
    err = capsys.readouterr().err
    assert err == (
        "matgrad: the process that measures torch ended with exit code 3: it said nothing\n"
    )


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ("--operation determinant", "'determinant' is unknown; known are trace, trace_product"),
        ("--peers matlab", "'matlab' is unknown; known are numpy, scipy, torch, jax"),
        ("--sizes 2,0", "'0' is no positive whole number"),
        ("--sizes 2,", "'' is no positive whole number"),
        ("--batch L3", "'L3' is no positive whole number"),
        ("--threads 100000", "cannot measure 100000 threads"),
        ("--seconds nan", "'nan' is no number of seconds"),
        ("--seconds soon", "'soon' is no number of seconds"),
        ("--dtype float16", "invalid choice: 'float16'"),
    ],
)
def test_a_wrong_option_is_told_in_one_sentence(
    arguments: str, reason: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["bench", *arguments.split()]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert reason in err
    assert err.count("\n") == 1


def test_batches_fit_the_second_level_cache_or_exceed_the_last() -> None:
    inside = case_of("det", 4, "float64", "L2", 2)
    assert inside.bytes < last_level_cache()
    assert inside.batch == 2 * case_of("det", 4, "float64", "L2", 1).batch
    assert case_of("det", 4, "float64", "memory", 1).bytes > inside.bytes
    assert case_of("det", 2000, "float64", "L2", 3).batch == 48
    assert case_of("det", 8, "float64", 10, 3).batch == 10


def test_neither_verb_nor_package_imports_a_peer() -> None:
    code = "import matgrad.__main__, sys; print([m for m in sys.argv[1:] if m in sys.modules])"
    peers = ["scipy", "torch", "jax", "matplotlib"]
    result = subprocess.run(
        [sys.executable, "-c", code, *peers], capture_output=True, text=True, check=True
    )
    assert result.stdout == "[]\n"


def test_an_interrupt_leaves_no_process() -> None:
    """A signal to the command alone: its processes end because it ends."""
    command = [sys.executable, "-m", "matgrad", *QUICK, "numpy", "--operation", "det"]
    with subprocess.Popen(
        [*command, "--seconds", "100", "--threads", str(len(all_cores()))],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
        workers = [int(pid) for pid in children.read_text().split()]
        process.terminate()
        _, err = process.communicate(timeout=60)
    assert process.returncode == 143
    assert err == "matgrad: interrupted\n"
    assert len(workers) == 4
    for worker in workers:
        with pytest.raises(ProcessLookupError):
            os.kill(worker, 0)
