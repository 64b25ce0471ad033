"""Calls in a thread of their own."""

from __future__ import annotations

import threading

import pytest

from workbench.sweeps.background import OrderedCalls


def test_calls_are_made_in_order_while_the_caller_goes_on() -> None:
    told: list[int] = []
    go = threading.Event()
    with OrderedCalls("test") as later:
        later.do(go.wait, 5)
        for number in range(20):
            later.do(told.append, number)
        assert told == [], "nobody waited for the first call"
        go.set()
    assert told == list(range(20))


def test_the_first_error_ends_the_calls_and_comes_out() -> None:
    told: list[int] = []

    def fail() -> None:
        raise OSError("the disk is full")

    with pytest.raises(OSError, match="disk is full"), OrderedCalls("test") as later:
        later.do(fail)
        later.do(told.append, 1)
    assert told == []


def test_an_error_comes_out_of_the_next_call() -> None:
    failed = threading.Event()

    def fail() -> None:
        failed.set()
        raise OSError("the disk is full")

    with pytest.raises(OSError, match="disk is full"), OrderedCalls("test") as later:
        later.do(fail)
        assert failed.wait(5)
        while True:
            later.do(int)


def test_the_blocks_own_error_wins() -> None:
    def fail() -> None:
        raise OSError("the disk is full")

    with pytest.raises(KeyError, match="own"), OrderedCalls("test") as later:
        later.do(fail)
        raise KeyError("own")
