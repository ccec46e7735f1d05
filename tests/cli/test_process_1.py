"""As process 1 of a container: the kernel keeps from it what it has no handler for."""

import os
import signal
import sys
from collections.abc import Iterator

import pytest

from bulkdelete import cli

NUMBERS = (signal.SIGTERM, signal.SIGHUP)


@pytest.fixture
def handlers() -> Iterator[dict[signal.Signals, object]]:
    """Give the handlers there are, and put them back."""
    before = {number: signal.getsignal(number) for number in NUMBERS}
    yield {**before}
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.parametrize("number", NUMBERS)
def test_an_early_signal_ends_process_1(
    monkeypatch: pytest.MonkeyPatch, handlers: dict[signal.Signals, object], number: signal.Signals
) -> None:
    """One that comes before there is anything to drain ends it, with the code of that signal."""
    assert signal.getsignal(number) == handlers[number]
    monkeypatch.setattr(os, "getpid", lambda: 1)
    with pytest.raises(SystemExit):
        cli.main(["--version"])
    with pytest.raises(SystemExit) as caught:
        signal.raise_signal(number)
    assert caught.value.code == 128 + number


def test_signals_are_heard_before_anything_takes_a_while(
    monkeypatch: pytest.MonkeyPatch, handlers: dict[signal.Signals, object]
) -> None:
    """The parser of the command line alone takes longer to import than Python to start."""
    monkeypatch.setattr(os, "getpid", lambda: 1)
    monkeypatch.delattr(cli, "commands", raising=False)
    monkeypatch.delitem(sys.modules, "bulkdelete.cli.commands", raising=False)
    monkeypatch.setitem(sys.modules, "cyclopts", None)
    with pytest.raises(ImportError):
        cli.main(["--version"])
    assert not [one for one in NUMBERS if signal.getsignal(one) == handlers[one]]


def test_no_other_process_needs_it(handlers: dict[signal.Signals, object]) -> None:
    """What the kernel does by itself stays as it was."""
    with pytest.raises(SystemExit):
        cli.main(["--version"])
    assert {number: signal.getsignal(number) for number in NUMBERS} == handlers
