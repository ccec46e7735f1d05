"""What can be said to a run that goes on, and what changes of it in the core."""

import pytest

from bulkdelete.core import live
from bulkdelete.core.ceiling import Ceiling
from bulkdelete.core.gate import Gate
from bulkdelete.errors import UsageError


@pytest.mark.parametrize(
    "command",
    [
        *(live.Tune(max_in_flight=2), live.Tune(rate=0.0), live.Tune(max_in_flight=256, rate=0.5)),
        *(live.Pause(), live.Unpause(), live.Stop(), live.Look()),
    ],
)
def test_a_command_is_one_line_that_reads_back(command: live.Command) -> None:
    """One JSON object, then a line feed."""
    line = live.encode(command)
    assert line.endswith(b"}\n")
    assert line.count(b"\n") == 1
    assert live.command(line) == command


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"tune",
        b"{}",
        b'{"do":"delete"}',
        b'{"do":"tune"}',
        b'{"do":"tune","max_in_flight":0}',
        b'{"do":"tune","max_in_flight":257}',
        b'{"do":"tune","max_in_flight":2.5}',
        b'{"do":"tune","rate":-1}',
        b'{"do":"tune","rate":0.0001}',
        b'{"do":"tune","rate":1e9}',
        b'{"do":"tune","rate":NaN}',
        b'{"do":"stop","now":true}',
    ],
)
def test_g3_what_is_no_command_is_refused(line: bytes) -> None:
    """Nothing is guessed: 0 in flight, or a word too much, changes nothing."""
    with pytest.raises(UsageError, match="no command"):
        live.command(line)


def test_an_answer_reads_back() -> None:
    """And what is none is not taken for one."""
    found = live.Answer(state="paused", max_in_flight=3, rate=2.5, in_flight=1)
    assert live.answer(live.encode(found)) == found
    with pytest.raises(UsageError, match="not a run"):
        live.answer(b"HTTP/1.1 400 Bad Request\r\n")


def test_another_cap_is_kept_from_now_on() -> None:
    """A smaller one at once; a larger one as a level that nobody refused."""
    gate = Gate(3)
    gate.accepted(gate.started(1, 0.0), 1.0)
    gate.resize(2)
    assert [gate.wait(out, 9.0) for out in range(4)] == [0.0, 0.0, None, None]
    gate.resize(5)
    assert gate.limit == 5
    with pytest.raises(ValueError, match="at least 1"):
        gate.resize(0)


def test_what_was_refused_is_remembered_under_another_cap() -> None:
    """Room above a level that was found is tried as any other; a try above the cap ends."""
    gate = Gate(3)
    gate.accepted(gate.started(1, 0.0), 1.0)
    gate.throttled(gate.started(3, 1.0), 3, 1.1, None, 0.0)
    gate.resize(6)
    assert gate.limit == 2
    ceiling = Ceiling(6, level=3, best=6, trial=4)
    ceiling.resize(3)
    assert (ceiling.level, ceiling.allowed) == (3, 3)
    ceiling.resize(2)
    assert ceiling.level == 2
