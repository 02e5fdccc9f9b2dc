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
def test_the_number_of_threads_is_what_was_set(count: int) -> None:
    matgrad.set_num_threads(count)
    assert matgrad.get_num_threads() == count


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
    matgrad.set_num_threads(3)
    matgrad.show_config()
    text = capsys.readouterr().out
    assert f"matgrad {matgrad.__version__}" in text
    assert f"instruction set: {chosen()}" in text
    assert all(isa in text for isa in instruction_sets())
    assert "threads: 3" in text
