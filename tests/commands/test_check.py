from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from matgrad import linalg
from matgrad.__main__ import main
from matgrad.commands import check
from matgrad.commands.check import DTYPES, SIZES, central_differences, measure
from matgrad.commands.natives import NATIVES, Native
from matgrad.formulas import Catalog, catalog

Array = npt.NDArray[Any]
Mutant = Callable[[Array], Array]


def each(natives: Sequence[Native]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("native", natives, ids=lambda native: native.name)


def mutate(patch: pytest.MonkeyPatch, name: str, mutant: Mutant) -> None:
    """Change the last output of a native function."""
    function = getattr(linalg, name)

    def mutated(*arguments: Array) -> Any:
        outputs = function(*arguments)
        if isinstance(outputs, tuple):
            return *outputs[:-1], mutant(outputs[-1])
        return mutant(outputs)

    patch.setattr(linalg, name, mutated)


def changed(index: int | tuple[int, ...], factor: float) -> Mutant:
    """Return a mutant that multiplies one entry."""

    def mutant(outputs: Array) -> Array:
        outputs[index] *= factor
        return outputs

    return mutant


@each(NATIVES)
@pytest.mark.parametrize("n", [1, 2, 4, 5, 16])
@pytest.mark.parametrize("dtype", DTYPES)
def test_native_functions_are_right(native: Native, n: int, dtype: str) -> None:
    row = measure(native, n, dtype)
    assert row.ok, list(row.failures())
    assert (row.differences is None) == (native.slope is None)
    assert min(row.seconds, row.numpy_seconds) > 0


WRONG_GRADIENTS: dict[str, Mutant] = {
    "negative": np.negative,
    "twice": lambda G: 2 * G,
    "0.1% off": lambda G: G * np.asarray(1.001, G.dtype),
    "zero": np.zeros_like,
    "rows reversed": lambda G: G[..., ::-1, :],
    "one entry of one matrix": changed((1, 1, 0), 0.9),
    "one not a number": changed((0, 0, 0), np.nan),
    "infinite": changed((0, 0, 0), np.inf),
}


@each([native for native in NATIVES if native.slope])
@pytest.mark.parametrize("mutant", WRONG_GRADIENTS)
@pytest.mark.parametrize("dtype", DTYPES)
def test_both_judges_find_a_wrong_gradient(
    native: Native, mutant: str, dtype: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    mutate(monkeypatch, native.name, WRONG_GRADIENTS[mutant])
    row = measure(native, 5, dtype)
    assert not row.numpy.ok
    assert row.differences is not None
    assert not row.differences.ok


@pytest.mark.parametrize("name", ["det_and_gradient", "slogdet_and_gradient"])
def test_both_judges_find_the_other_layout(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    mutate(monkeypatch, name, lambda G: G.mT)
    (native,) = (native for native in NATIVES if native.name == name)
    assert len(list(measure(native, 5, "float64").failures())) == 2


@each([native for native in NATIVES if native.slope])
@pytest.mark.parametrize("n", [2, 8])
def test_both_judges_find_float32_inside_float64(
    native: Native, n: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    mutate(monkeypatch, native.name, lambda G: G.astype("f4").astype("f8"))
    assert len(list(measure(native, n, "float64").failures())) == 2


@each(NATIVES)
@pytest.mark.parametrize("n", SIZES)
def test_numpy_finds_float32_inside_float64_at_every_size(
    native: Native, n: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    mutate(monkeypatch, native.name, lambda outputs: outputs * (1 + 2.0**-24))
    assert not check.value_error(native, n, native.sample(32, n, "float64")).ok


@each(NATIVES)
def test_numpy_finds_one_wrong_matrix_of_a_batch(
    native: Native, monkeypatch: pytest.MonkeyPatch
) -> None:
    mutate(monkeypatch, native.name, changed(31, np.nan))
    assert not check.value_error(native, 7, native.sample(32, 7, "float64")).ok


def test_a_float32_factorisation_of_small_matrices_is_found(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def det(X: Array) -> Array:
        a, b, c, d = X[..., 0, 0], X[..., 0, 1], X[..., 1, 0], X[..., 1, 1]
        return np.asarray(a * d - b * c)

    monkeypatch.setattr(linalg, "det", det)
    (native,) = (native for native in NATIVES if native.name == "det")
    assert not measure(native, 2, "float32").ok
    assert measure(native, 2, "float64").ok


def test_differences_of_a_quadratic_are_exact_at_a_power_of_two() -> None:
    X = np.random.default_rng(0).integers(-9, 9, (3, 4, 5)).astype(float)
    slopes = central_differences(lambda X: np.sum(X * X, axis=(-2, -1)), X, 0.25)
    assert np.array_equal(slopes, 2 * X)


def test_the_check_prints_a_row_for_each_case(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(check, "SIZES", (1, 6))
    assert main(["check"]) == 0
    out, err = capsys.readouterr()
    rows = [line.split()[:3] for line in out.splitlines() if "float" in line]
    cases = [[f.name, str(n), dtype] for f in NATIVES for n in (1, 6) for dtype in DTYPES]
    assert rows == cases
    assert "all 40 rows right" in out
    assert f"all {len(catalog)} formulas right" in out
    assert err == ""


def test_the_natives_are_all_the_functions_of_the_package() -> None:
    import matgrad

    assert {native.name for native in NATIVES} == set(matgrad.__all__) & set(vars(linalg))
    assert len(NATIVES) == 10


def test_a_wrong_function_fails_the_check_and_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(check, "SIZES", (2, 3))
    mutate(monkeypatch, "det_and_gradient", lambda G: G.mT)
    assert main(["check", "det", "det_and_gradient"]) == 1
    out = capsys.readouterr().out
    for judge in ("NumPy", "central differences"):
        assert f"FAILED: det_and_gradient, n = 3, float64: off from {judge} by" in out
    assert "4 of 8 rows FAILED" in out


def test_only_the_functions_named_are_checked(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(check, "SIZES", (2,))
    assert main(["check", "inv", "trace"]) == 0
    out = capsys.readouterr().out
    lines = [line.split()[0] for line in out.splitlines() if "float" in line]
    assert lines == ["inv", "inv", "trace", "trace"]
    assert "all 1 formulas right" in out  # trace is a formula, too


def test_an_unknown_function_names_the_nearest(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "trace_prodct"]) == 2
    assert "unknown function or formula 'trace_prodct'; the nearest are trace_product, " in (
        capsys.readouterr().err
    )


def test_functions_and_formulas_are_checked_by_name(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(check, "SIZES", (2,))
    assert main(["check", "trace-product", "inv"]) == 0
    out = capsys.readouterr().out
    assert "all 2 rows right" in out
    assert "all 1 formulas right" in out


def test_a_wrong_formula_fails_the_check_and_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    printed = catalog["trace-product"].as_printed()
    monkeypatch.setattr(check, "catalog", Catalog([printed]))
    assert main(["check", printed.id]) == 1
    assert "FAILED: trace-product, as printed: WRONG, off by" in capsys.readouterr().out
