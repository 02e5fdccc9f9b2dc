"""Threads are set and told; the configuration is printed."""

from collections.abc import Iterator

import pytest

import matgrad
from matgrad._native import chosen, instruction_sets


@pytest.fixture(autouse=True)
def _same_threads_afterwards() -> Iterator[None]:
    before = matgrad.get_num_threads()
    yield
    matgrad.set_num_threads(before)


@pytest.mark.parametrize("count", [1, 2, 5])
def test_no_more_threads_are_used_than_were_allowed(count: int) -> None:
    matgrad.set_num_threads(count)
    assert 1 <= matgrad.get_num_threads() <= count


def test_a_limit_is_lifted_by_a_higher_one() -> None:
    before = matgrad.get_num_threads()
    matgrad.set_num_threads(1)
    matgrad.set_num_threads(before)
    assert matgrad.get_num_threads() == before


@pytest.mark.parametrize("count", [0, -1])
def test_fewer_than_one_thread_is_refused(count: int) -> None:
    before = matgrad.get_num_threads()
    with pytest.raises(ValueError, match=rf"set_num_threads.*{count}"):
        matgrad.set_num_threads(count)
    assert matgrad.get_num_threads() == before


@pytest.mark.parametrize("count", [1.5, "2", None])
def test_a_number_of_threads_is_an_integer(count: object) -> None:
    with pytest.raises(TypeError):
        matgrad.set_num_threads(count)  # type: ignore[arg-type]


def test_the_configuration_tells_version_instruction_sets_and_threads(
    capsys: pytest.CaptureFixture[str],
) -> None:
    matgrad.set_num_threads(1)
    matgrad.show_config()
    text = capsys.readouterr().out
    assert f"matgrad {matgrad.__version__}" in text
    assert f"instruction set: {chosen()}" in text
    assert all(isa in text for isa in instruction_sets())
    assert "threads: 1" in text
