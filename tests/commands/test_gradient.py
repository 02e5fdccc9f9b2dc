import os
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest

from matgrad import catalog
from matgrad.__main__ import main
from matgrad.commands import gradient
from matgrad.commands.gradient import byte_count


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Work in an empty folder."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def draw(*shape: int) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    return np.random.default_rng(0).standard_normal(shape)


@pytest.mark.parametrize("block_bytes", ["1", "10kB", "256MB"])
@pytest.mark.parametrize("dtype", ["f4", "f8"])
@pytest.mark.parametrize("order", ["C", "F"])
def test_the_gradient_of_det_is_its_cofactors(
    order: Literal["C", "F"], dtype: str, block_bytes: str
) -> None:
    X = draw(4, 25, 3, 3).astype(dtype)
    np.save("X.npy", np.asarray(X, order=order))
    arguments = ["X=X.npy", "--out", "gradient.npy", "--value", "value.npy", "--block-bytes"]
    assert main(["gradient", "det(X)", *arguments, block_bytes]) == 0
    det = np.linalg.det(X.astype(float))
    value, result = np.load("value.npy"), np.load("gradient.npy")
    assert (value.dtype, result.dtype) == (X.dtype, X.dtype)
    tolerance = 20 * float(np.finfo(dtype).eps)
    np.testing.assert_allclose(value, det, rtol=0.0, atol=tolerance)
    cofactors = det[..., None, None] * np.linalg.inv(X.astype(float)).mT
    np.testing.assert_allclose(result, cofactors, rtol=0.0, atol=tolerance)


def test_arrays_come_from_archives_and_constants_broadcast() -> None:
    X, A, Q = draw(7, 2, 3), draw(3, 3), draw(7, 2, 2)
    np.savez("data.npz", X=X, A=A)
    np.savez_compressed("Q.npz", Q)
    files = ["X=data.npz:X", "A=data.npz:A", "Q=Q.npz"]
    assert main(["gradient", "tr(X*A*X'*Q)", *files, "--out", "gradient.npy"]) == 0
    expected = Q.mT @ X @ A.T + Q @ X @ A
    np.testing.assert_allclose(np.load("gradient.npy"), expected, rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("shape", [(0, 3, 3), (2, 0, 3, 3), (4, 0, 0), (0, 0)])
def test_no_matrices_and_empty_matrices_are_as_good_as_others(shape: tuple[int, ...]) -> None:
    np.save("X.npy", np.zeros(shape))
    arguments = ["X=X.npy", "--out", "gradient.npy", "--value", "value.npy"]
    assert main(["gradient", "det(X)", *arguments]) == 0
    assert np.load("gradient.npy").shape == shape
    assert np.array_equal(np.load("value.npy"), np.ones(shape[:-2]))


GRADIENTS = [id for id, formula in catalog.items() if formula.kind == "gradient"]


@pytest.mark.parametrize("id", GRADIENTS)
def test_the_gradient_of_a_formula_is_written_block_by_block(id: str) -> None:
    arrays: dict[str, Any] = catalog[id].sample(np.random.default_rng(0), (5,))
    for name, array in arrays.items():
        np.save(f"{name}.npy", array)
    files = [f"{name}={name}.npy" for name in arrays]
    outputs = ["--out", "gradient_.npy", "--value", "value_.npy", "--block-bytes", "3kB"]
    assert main(["gradient", id, *files, *outputs]) == 0
    value, gradient = catalog[id].value_and_gradient(**arrays)
    np.testing.assert_allclose(np.load("value_.npy"), value, rtol=1e-10, atol=1e-10)
    np.testing.assert_allclose(np.load("gradient_.npy"), gradient, rtol=1e-10, atol=1e-10)


def test_constants_of_a_formula_broadcast() -> None:
    x, A = draw(6, 3), draw(3, 3)
    np.save("x.npy", x)
    np.save("A.npy", A)
    assert main(["gradient", "quadratic-form", "x=x.npy", "A=A.npy", "--out", "G.npy"]) == 0
    np.testing.assert_allclose(np.load("G.npy"), x @ (A + A.T), rtol=1e-12)


def test_a_formula_of_another_kind_has_no_gradient(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["gradient", "trace-cyclic", "A=A.npy", "--out", "G.npy"]) == 2
    assert "trace-cyclic has no gradient; it is of kind identity" in capsys.readouterr().err


@pytest.mark.parametrize("structure", ["symmetric", "diagonal", "orthogonal", "positive-definite"])
def test_matrices_are_what_they_are_declared_to_be(
    capsys: pytest.CaptureFixture[str], structure: str
) -> None:
    X = np.tile(np.eye(3), (5, 1, 1))
    X[1, 0, 0] = np.nan
    np.save("X.npy", X)
    arguments = ["gradient", "norm(X)^2", "X=X.npy", "--out", "G.npy", f"--{structure}", "X"]
    assert main(arguments) == 0
    X[3] = draw(3, 3)
    np.save("X.npy", X)
    assert main([*arguments, "--force"]) == 2
    assert f"X is declared {structure.replace('-', ' ')}, which" in capsys.readouterr().err
    assert np.isfinite(np.load("G.npy")[3]).all()
    X[3] = -np.eye(3)
    np.save("X.npy", X)
    assert main([*arguments, "--force"]) == (2 if structure == "positive-definite" else 0)


@pytest.mark.parametrize("option", ["--symmetric", "--positive-definite"])
def test_four_digits_of_symmetry_are_enough_in_single_precision(option: str) -> None:
    A = draw(6, 20).astype("f4")
    X = np.linalg.inv(A @ A.T)
    X[0, 1] *= 1 + 3e-5
    np.save("X.npy", X)
    assert main(["gradient", "logdet(X)", "X=X.npy", option, "X", "--out", "G.npy"]) == 0


def test_vectors_of_other_lengths_are_told(capsys: pytest.CaptureFixture[str]) -> None:
    np.save("x.npy", draw(6, 3))
    np.save("A.npy", draw(2, 2))
    assert main(["gradient", "quadratic-form", "x=x.npy", "A=A.npy", "--out", "G.npy"]) == 2
    message = "quadratic-form needs x (..., n), A (..., n, n); got x (6, 3), A (2, 2)"
    assert message in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("vec(X)'*a", "needs X (..., n, m), a (..., m*n); got X (5, 2, 3), a (5,)"),
        ("a'*kron(X, X)*a", "needs a (..., n*n), X (..., n, m); got a (5,), X (5, 2, 3)"),
    ],
)
def test_lengths_that_are_no_products_of_others_are_told(
    text: str, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    np.save("X.npy", draw(5, 2, 3))
    np.save("a.npy", draw(5))
    assert main(["gradient", text, "X=X.npy", "a=a.npy", "--out", "G.npy"]) == 2
    assert message in capsys.readouterr().err
    assert not Path("G.npy").exists()


def test_an_input_is_only_read() -> None:
    np.save("X.npy", draw(3, 2, 2))
    Path("X.npy").chmod(0o400)
    before = Path("X.npy").read_bytes()
    assert main(["gradient", "logdet(X)", "X=X.npy", "--out", "gradient.npy"]) == 0
    assert Path("X.npy").read_bytes() == before


def test_options_may_come_before_the_files() -> None:
    np.save("X.npy", draw(2, 2))
    assert main(["gradient", "--out", "gradient.npy", "tr(X)", "X=X.npy"]) == 0
    assert np.array_equal(np.load("gradient.npy"), np.eye(2))


def test_outputs_may_be_in_the_home(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "home").mkdir()
    monkeypatch.setenv("HOME", str(folder / "home"))
    np.save("X.npy", draw(2, 2))
    assert main(["gradient", "tr(X)", "X=X.npy", "--out=~/G.npy", "--value=~/f.npy"]) == 0
    assert sorted(os.listdir("home")) == ["G.npy", "f.npy"]


def test_values_that_are_not_finite_are_counted(capsys: pytest.CaptureFixture[str]) -> None:
    np.save("X.npy", [np.eye(2), np.zeros((2, 2)), -np.eye(2), np.diag([1, -1])])
    assert (
        main(["gradient", "logdet(X)", "X=X.npy", "--out", "gradient.npy", "--block-bytes", "1"])
        == 0
    )
    assert capsys.readouterr() == ("", "matgrad: note: 1 of 4 values are not finite\n")


def test_an_ordinary_run_prints_nothing_into_a_pipe(capsys: pytest.CaptureFixture[str]) -> None:
    np.save("X.npy", draw(2, 2))
    assert main(["gradient", "det(X)", "X=X.npy", "--out", "gradient.npy"]) == 0
    assert capsys.readouterr() == ("", "")


def test_a_file_is_replaced_only_by_force() -> None:
    np.save("X.npy", np.eye(2))
    Path("gradient.npy").write_text("old")
    command = ["gradient", "tr(X)", "X=X.npy", "--out", "gradient.npy"]
    assert main(command) == 2
    assert Path("gradient.npy").read_text() == "old"
    assert main([*command, "--force"]) == 0
    assert np.array_equal(np.load("gradient.npy"), np.eye(2))


WRONG = {
    "gradient": "required: FUNCTION, NAME=FILE, --out",
    "gradient det(X)": "required: NAME=FILE, --out",
    "gradient det(X) X=X.npy": "required: --out",
    "gradient inverse(X) X=X.npy --out G.npy": "there is no function inverse",
    "gradient det(X) X.npy --out G.npy": "'X.npy' is not of the form NAME=FILE",
    "gradient det(X) A=X.npy --out G.npy": "det(X) has no variable A",
    "gradient det(X) X=X.npy A=X.npy --out G.npy": "det(X) has no variable A",
    "gradient tr(A*X) X=X.npy --out G.npy": "tr(A*X) needs A=FILE, too",
    "gradient det(X) X=X.npy X=X.npy --out G.npy": "X is given twice",
    "gradient det(X) X=none.npy --out G.npy": "cannot read none.npy: No such file or directory",
    "gradient det(X) X=. --out G.npy": "cannot read .: Is a directory",
    "gradient det(X) X=text.npy --out G.npy": "text.npy is neither a .npy nor an .npz file",
    "gradient det(X) X=data.npz:Y --out G.npy": "data.npz has no array 'Y'; it holds X, flat",
    "gradient det(X) X=data.npz --out G.npy": "data.npz holds X, flat; choose one",
    "gradient det(X) X=data.npz:flat --out G.npy": "needs X (..., n, n); got X (1, 2, 3)",
    "gradient det(X) X=complex.npy --out G.npy": "has dtype complex128; supported are float32",
    "gradient det(X) X=X.npy --out X.npy": "cannot write X.npy: it is an input",
    "gradient det(X) X=X.npy --out ./X.npy --force": "cannot write ./X.npy: it is an input",
    "gradient det(X) X=X.npy --out link.npy --force": "cannot write link.npy: it is an input",
    "gradient det(X) X=X.npy --out G.npy --value X.npy": "cannot write X.npy: it is an input",
    "gradient det(X) X=X.npy --out G.npy --value ./G.npy": "--out and --value are one file, G.npy",
    "gradient det(X) X=X.npy --out no/G.npy": "cannot write no/G.npy: there is no folder no",
    "gradient det(X) X=X.npy --out G.txt": "cannot write G.txt: the name of an output must end",
    "gradient det(X) X=X.npy --out old.npy": "cannot write old.npy: the file exists",
    "gradient det(X) X=X.npy --out G.npy --value old.npy": "cannot write old.npy: the file exists",
    "gradient det(X) X=X.npy --out G.npy --block-bytes 0": "'0' is no number of bytes",
    "gradient det(X) X=X.npy --out G.npy --block-bytes much": "'much' is no number of bytes",
    "gradient det(X) X=X.npy --out G.npy --colour": "unrecognized arguments: --colour",
}


@pytest.mark.parametrize("command", WRONG)
def test_what_is_wrong_is_told_in_one_sentence_and_nothing_is_written(
    command: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    np.save("X.npy", np.eye(2))
    np.save("complex.npy", np.eye(2) * 1j)
    np.savez("data.npz", X=np.eye(2), flat=np.zeros((1, 2, 3)))
    Path("text.npy").write_text("not an array")
    Path("old.npy").write_text("old")
    Path("link.npy").symlink_to("X.npy")
    before = {name: Path(name).read_bytes() for name in os.listdir()}
    assert main(command.split()) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("matgrad: ")
    assert err.count("\n") == 1
    assert WRONG[command] in err
    assert {name: Path(name).read_bytes() for name in os.listdir()} == before


def test_damage_found_on_the_way_leaves_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    np.savez_compressed("X.npz", draw(2000, 3, 3))
    content = bytearray(Path("X.npz").read_bytes())
    content[len(content) // 2] ^= 0xFF
    Path("X.npz").write_bytes(content)
    assert (
        main(["gradient", "det(X)", "X=X.npz", "--out", "gradient.npy", "--block-bytes", "10kB"])
        == 2
    )
    assert capsys.readouterr().err.startswith("matgrad: cannot read X.npz: ")
    assert os.listdir() == ["X.npz"]


def test_memory_that_does_not_suffice_is_told(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(*arguments: object) -> int:
        raise MemoryError("Unable to allocate 1. TiB")

    np.save("X.npy", np.eye(2))
    monkeypatch.setattr(gradient, "_write_block", fail)
    assert main(["gradient", "det(X)", "X=X.npy", "--out", "gradient.npy"]) == 2
    assert capsys.readouterr().err == "matgrad: out of memory: Unable to allocate 1. TiB\n"
    assert os.listdir() == ["X.npy"]


@pytest.mark.parametrize(
    ("text", "count"),
    [("1", 1), ("1000000", 10**6), ("64MB", 64 * 10**6), ("1.5 gb", 15 * 10**8), ("2k", 2000)],
)
def test_numbers_of_bytes_are_read(text: str, count: int) -> None:
    assert byte_count(text) == count
