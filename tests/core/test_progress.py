"""The replayed log: every ID in one state, whatever happened, and contradictions are refused."""

from collections import Counter
from dataclasses import dataclass, field

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bulkdelete.core import checkpoint as log
from bulkdelete.core.model import Span, State
from bulkdelete.core.plan import Counts
from bulkdelete.core.progress import ChunkState, Progress
from bulkdelete.core.report import balance, chunk_counts, request_counts
from bulkdelete.errors import IntegrityError

HEADER = log.Header(
    format=1, tool="0", run="r", plan="p", plan_file="f", host=None, account=None, chunks=9, at=0.5
)
APPROVAL = log.Approval(how="yes", who="ana", ids=9, at=0.6, expires=99.0)


def start(at: float) -> log.Start:
    """Return the start of a process."""
    return log.Start(at=at, pid=1, machine="m", in_flight=3, todo=1)


def intent(seq: int, lo: int, hi: int, at: float = 1.0, attempt: int = 1) -> log.Intent:
    """Return an intent."""
    return log.Intent(chunk=seq, lo=lo, hi=hi, attempt=attempt, digest="d", at=at)


def outcome(
    seq: int, lo: int, hi: int, verdict: str, at: float = 2.0, *, bad: tuple[int, ...] = ()
) -> log.Outcome:
    """Return an outcome, whose reason is its verdict in capitals (none when accepted)."""
    reason = "" if verdict in {"accepted", "withdrawn"} else verdict.upper()
    return log.Outcome(
        chunk=seq, lo=lo, hi=hi, attempt=1, verdict=verdict, at=at, reason=reason, ms=10.4, bad=bad
    )


def split(seq: int, lo: int, hi: int) -> log.Split:
    """Return a split."""
    return log.Split(chunk=seq, lo=lo, hi=hi, at=3.0)


def stop(at: float) -> log.Stop:
    """Return a stop in order."""
    return log.Stop(at=at, code="hold_after", exit=75)


def seal(at: float) -> log.Seal:
    """Return a seal."""
    return log.Seal(at=at, exit=0, ids={}, head="h")


def replayed(*records: log.Record, chunks: int = 9) -> Progress:
    """Replay records after a header."""
    return Progress(chunks).replay([HEADER, *records])


def counts_of(sizes: list[int]) -> Counts:
    """Return what a plan of chunks of these sizes counted, beside some IDs that are not in it."""
    return Counts(
        read=sum(sizes) + 10,
        planned=sum(sizes),
        duplicate=4,
        protected=3,
        invalid=2,
        excluded=1,
        identities=sum(sizes),
        guids=0,
        chunks=len(sizes),
    )


# --- random valid histories against a naive oracle ---


@dataclass
class Fate:
    """What the oracle knows of one ID."""

    final: State | None = None
    doubt: bool = False
    open: bool = False
    reason: str = ""

    @property
    def state(self) -> State:
        """The state by the plain rule."""
        return self.final or (State.AMBIGUOUS if self.doubt or self.open else State.UNSENT)


@dataclass
class Naive:
    """Keeps every ID on its own, and makes histories that a run could have written."""

    sizes: list[int]
    records: list[log.Record] = field(default_factory=lambda: [HEADER, APPROVAL, start(1.0)])
    counts: Counter[str] = field(default_factory=Counter)
    resent: set[int] = field(default_factory=set)
    doubts: dict[Span, float] = field(default_factory=dict)
    clock: float = 1.0

    def __post_init__(self) -> None:
        self.fates = [[Fate() for _ in range(size)] for size in self.sizes]
        self.pieces = [Span(seq, 0, size) for seq, size in enumerate(self.sizes)]
        self.open: dict[Span, float] = {}

    def ids(self, span: Span) -> list[Fate]:
        """Return the IDs of a span."""
        return self.fates[span.seq][span.lo : span.hi]

    def step(self, choice: int, detail: int) -> None:
        """Write the next record or two."""
        self.clock += 1.0
        ready = [one for one in self.pieces if one not in self.open and not self.final(one)]
        kind = choice % 16
        if kind == 0:
            self.crash()
        elif self.open and (kind > 8 or not ready):
            self.settle(sorted(self.open)[choice % len(self.open)], detail)
        elif ready:
            self.intend(ready[choice % len(ready)])

    def final(self, span: Span) -> bool:
        """Tell whether each ID has its answer."""
        return all(one.final for one in self.ids(span))

    def crash(self) -> None:
        """Start anew: what was open is in doubt since its intent."""
        self.records.append(start(self.clock))
        for span, at in self.open.items():
            self.doubts.setdefault(span, at)
            self.counts["ambiguous"] += 1
            for one in self.ids(span):
                one.doubt, one.open = True, False
        self.open = {}

    def intend(self, span: Span) -> None:
        """Open an attempt."""
        self.records.append(intent(span.seq, span.lo, span.hi, self.clock))
        self.counts["sent"] += 1
        self.open[span] = self.clock
        for one in self.ids(span):
            if one.doubt:
                self.resent.add(span.seq)
            one.open = True

    def settle(self, span: Span, detail: int) -> None:
        """End an attempt in one of the ways."""
        verdicts = ["accepted", "partial", "throttled", "failed", "ambiguous", "withdrawn", "abort"]
        verdicts.append("rejected" if len(span) == 1 else "refused")
        verdict = verdicts[detail % len(verdicts)]
        bad: tuple[int, ...] = ()
        if verdict == "partial":
            bad = tuple({span.lo + detail % len(span), span.hi - 1})
        record = outcome(span.seq, span.lo, span.hi, verdict, self.clock, bad=bad)
        self.records.append(record)
        opened = self.open.pop(span)
        self.count(verdict)
        for position, one in enumerate(self.ids(span), span.lo):
            one.open = False
            one.reason = record.reason
            if verdict in {"accepted", "partial", "rejected"}:
                refused = verdict == "rejected" or position in bad
                one.final = State.REJECTED if refused else State.ACCEPTED
            one.doubt = one.doubt or verdict == "ambiguous"
        if verdict == "ambiguous":
            self.doubts.setdefault(span, opened)
        if verdict == "refused":
            self.split(span)

    def count(self, verdict: str) -> None:
        """Count a request by what came of it."""
        if verdict in {"failed", "withdrawn"}:
            self.counts["sent"] -= 1
            self.counts["failed"] += verdict == "failed"
        else:
            same = {"partial": "accepted", "refused": "rejected", "abort": "rejected"}
            self.counts[same.get(verdict, verdict)] += 1

    def split(self, span: Span) -> None:
        """Go on with the halves."""
        self.records.append(split(span.seq, span.lo, span.hi))
        self.pieces.remove(span)
        self.pieces += span.halves()
        since = self.doubts.pop(span, None)
        if since is not None:
            self.doubts |= dict.fromkeys(span.halves(), since)


CHOICES = st.lists(st.tuples(st.integers(0, 10**4), st.integers(0, 10**4)), max_size=60)
SIZES = st.lists(st.integers(1, 6), min_size=1, max_size=4)


def check_ids(naive: Naive, progress: Progress) -> None:
    """Compare every ID, and the sums."""
    states: Counter[State] = Counter()
    for seq, fates in enumerate(naive.fates):
        for position, one in enumerate(fates):
            reason = "" if one.state is State.ACCEPTED else one.reason
            assert progress.state_of(seq, position) == (one.state, reason)
            states[one.state] += 1
    found = balance(counts_of(naive.sizes), progress)
    assert found.read == sum(naive.sizes) + 10
    assert found.planned == sum(naive.sizes)
    for state in (State.ACCEPTED, State.REJECTED, State.AMBIGUOUS, State.UNSENT):
        assert getattr(found, state.value) == states[state]


BADNESS = [State.ACCEPTED, State.REJECTED, State.UNSENT, State.AMBIGUOUS]


def check_chunks(naive: Naive, progress: Progress) -> None:
    """Compare what is said of chunks, and what is left to do."""
    worst = [max((one.state for one in ids), key=BADNESS.index) for ids in naive.fates]
    counted = chunk_counts(counts_of(naive.sizes), progress)
    assert counted == {
        "planned": len(naive.sizes),
        **{state.value: worst.count(state) for state in BADNESS},
    }
    settled = [all(one.final for one in ids) for ids in naive.fates]
    assert [progress.all_settled(seq) for seq in range(len(settled))] == settled
    assert progress.unsettled_chunks() == settled.count(False)
    assert progress.first_unsettled() == [*settled, False].index(False)
    for seq, size in enumerate(naive.sizes):
        expected = [one for one in naive.pieces if one.seq == seq and not naive.final(one)]
        assert [span for span, _ in progress.todo(seq, size)] == sorted(expected)


def check_requests(naive: Naive, progress: Progress) -> None:
    """Compare the counts of requests, and the doubts."""
    found = request_counts(progress)
    expected = {**naive.counts, "resent_chunks": len(naive.resent)}
    expected["ambiguous"] = expected.get("ambiguous", 0) + len(naive.open)
    assert found == {name: expected.get(name, 0) for name in found}
    parts = ("accepted", "rejected", "throttled", "ambiguous")
    assert found["sent"] == sum(found[name] for name in parts)
    assert progress.open_attempts() == len(naive.open)
    doubts = dict(naive.open)
    doubts.update(naive.doubts)
    open_doubts = [at for span, at in doubts.items() if not naive.final(span)]
    assert progress.oldest_doubt() == min(open_doubts, default=None)


@given(SIZES, CHOICES)
@settings(max_examples=150)
def test_s6_histories_conserve_ids(sizes: list[int], choices: list[tuple[int, int]]) -> None:
    """Whatever a run wrote, each ID is in one state: the one that the plain rules give."""
    naive = Naive(sizes)
    for choice, detail in choices:
        naive.step(choice, detail)
    progress = Progress(len(sizes)).replay(naive.records)
    check_ids(naive, progress)
    check_chunks(naive, progress)
    check_requests(naive, progress)


@given(SIZES, CHOICES)
@settings(max_examples=30)
def test_s6_the_balance_adds_up_after_every_record(
    sizes: list[int], choices: list[tuple[int, int]]
) -> None:
    """A crash at any instant leaves a log whose balance is whole."""
    naive = Naive(sizes)
    for choice, detail in choices:
        naive.step(choice, detail)
    progress = Progress(len(sizes))
    for record in naive.records:
        progress.apply(record)
        found = balance(counts_of(sizes), progress)
        assert (found.read, found.planned) == (sum(sizes) + 10, sum(sizes))
        assert sum(progress.chunk_states().values()) == len(sizes)


# --- single rules ---


def test_s7_an_accepted_chunk_has_nothing_to_do() -> None:
    """Its acceptance is one byte, and no details are kept."""
    progress = replayed(start(1.0), intent(0, 0, 100), outcome(0, 0, 100, "accepted"))
    assert progress.states[0] == ChunkState.ACCEPTED
    assert progress.pieces == {}
    assert progress.todo(0, 100) == []
    assert (progress.accepted_chunks, progress.accepted_ids) == (1, 100)
    assert progress.first_unsettled() == 1


def test_p2_an_intent_without_outcome_is_in_doubt() -> None:
    """At a crash it is ambiguous since its intent, and again when it is sent once more."""
    progress = replayed(start(1.0), intent(0, 0, 2, at=1.5))
    assert progress.state_of(0, 1) == (State.AMBIGUOUS, "")
    assert (progress.oldest_doubt(), progress.open_attempts()) == (1.5, 1)
    progress.apply(start(5.0))
    assert progress.open_attempts() == 0
    assert progress.requests.ambiguous == 1
    assert progress.resent == set()
    progress.apply(intent(0, 0, 2, at=6.0, attempt=2))
    assert progress.resent == {0}
    assert progress.oldest_doubt() == 1.5
    assert progress.todo(0, 2)[0][1].attempts == 2
    progress.apply(outcome(0, 0, 2, "accepted"))
    assert progress.oldest_doubt() is None


@pytest.mark.parametrize("verdict", ["throttled", "failed", "withdrawn", "abort"])
def test_what_is_no_act_leaves_a_chunk_unsent(verdict: str) -> None:
    """A refusal of us, or a failure before the first byte, deletes nobody."""
    progress = replayed(start(1.0), intent(0, 0, 2), outcome(0, 0, 2, verdict))
    assert progress.state_of(0, 0)[0] is State.UNSENT
    assert progress.oldest_doubt() is None
    assert len(progress.todo(0, 2)) == 1


@pytest.mark.parametrize("verdict", ["throttled", "failed", "withdrawn", "abort"])
def test_what_is_no_act_does_not_settle_an_earlier_doubt(verdict: str) -> None:
    """S5: an ambiguous chunk stays so until an answer settles it."""
    progress = replayed(
        start(1.0),
        intent(0, 0, 2, at=1.5),
        outcome(0, 0, 2, "ambiguous"),
        intent(0, 0, 2, at=3.0),
        outcome(0, 0, 2, verdict),
    )
    assert progress.state_of(0, 0)[0] is State.AMBIGUOUS
    assert progress.oldest_doubt() == 1.5


def test_s11_a_doubt_is_as_old_as_its_first_attempt() -> None:
    """Another ambiguous answer, or another crash, does not make it younger."""
    again = (intent(0, 0, 2, at=50.0), outcome(0, 0, 2, "ambiguous", at=51.0))
    first = (start(1.0), intent(0, 0, 2, at=1.5), outcome(0, 0, 2, "ambiguous"))
    assert replayed(*first, *again).oldest_doubt() == 1.5
    assert replayed(*first, again[0], start(60.0)).oldest_doubt() == 1.5


def test_v11_halves_inherit_the_doubt_of_the_whole() -> None:
    """A refusal after an ambiguous answer does not take the doubt away."""
    progress = replayed(
        start(1.0),
        intent(0, 0, 4, at=1.5),
        outcome(0, 0, 4, "ambiguous"),
        intent(0, 0, 4, at=3.0),
        outcome(0, 0, 4, "refused"),
        split(0, 0, 4),
    )
    assert [span for span, _ in progress.todo(0, 4)] == [Span(0, 0, 2), Span(0, 2, 4)]
    assert progress.state_of(0, 3) == (State.AMBIGUOUS, "REFUSED")
    assert progress.oldest_doubt() == 1.5


def test_v5_partial_success_rejects_the_named_ids() -> None:
    """The places in `bad` are rejected, the others accepted, and the chunk is settled."""
    progress = replayed(start(1.0), intent(0, 0, 4), outcome(0, 0, 4, "partial", bad=(1, 3)))
    found = [progress.state_of(0, position)[0] for position in range(4)]
    assert found == [State.ACCEPTED, State.REJECTED, State.ACCEPTED, State.REJECTED]
    assert progress.state_of(0, 1)[1] == "PARTIAL"
    assert progress.all_settled(0)
    assert progress.chunk_states()[State.REJECTED] == 1
    assert progress.reasons == {"PARTIAL": 1}


def test_v8_bisection_ends_at_the_bad_id() -> None:
    """Half accepted, one ID rejected, its neighbour still open."""
    progress = replayed(
        start(1.0),
        intent(0, 0, 4),
        outcome(0, 0, 4, "refused"),
        split(0, 0, 4),
        intent(0, 0, 2),
        outcome(0, 0, 2, "accepted"),
        intent(0, 2, 4),
        outcome(0, 2, 4, "refused"),
        split(0, 2, 4),
        intent(0, 2, 3),
        outcome(0, 2, 3, "rejected"),
    )
    assert [progress.state_of(0, position) for position in range(4)] == [
        (State.ACCEPTED, ""),
        (State.ACCEPTED, ""),
        (State.REJECTED, "REJECTED"),
        (State.UNSENT, "REFUSED"),
    ]
    assert [span for span, _ in progress.todo(0, 4)] == [Span(0, 3, 4)]
    assert progress.requests.rejected == 3
    assert progress.accepted_chunks == 0
    assert not progress.all_settled(0)


OPENED = (start(1.0), intent(0, 0, 4))
DONE = (*OPENED, outcome(0, 0, 4, "accepted"))
REFUSED = (*OPENED, outcome(0, 0, 4, "refused"))
CUT = (*REFUSED, split(0, 0, 4))
REJECTED = (start(1.0), intent(0, 0, 1), outcome(0, 0, 1, "rejected"))


@pytest.mark.parametrize(
    "records",
    [
        pytest.param((HEADER,), id="second header"),
        pytest.param((intent(9, 0, 4),), id="no such chunk"),
        pytest.param((outcome(9, 0, 4, "accepted"),), id="no such chunk, outcome"),
        pytest.param((outcome(0, 0, 4, "accepted"),), id="outcome without intent"),
        pytest.param((*DONE, outcome(0, 0, 4, "accepted")), id="outcome twice"),
        pytest.param((*DONE, intent(0, 0, 4)), id="sent after acceptance"),
        pytest.param((*DONE, split(0, 0, 4)), id="cut after acceptance"),
        pytest.param((*OPENED, intent(0, 0, 4)), id="two attempts at once"),
        pytest.param((*OPENED, intent(0, 0, 2)), id="piece never cut"),
        pytest.param((intent(0, 2, 4),), id="starts in the middle"),
        pytest.param((*OPENED, split(0, 0, 4)), id="cut while open"),
        pytest.param((*CUT, split(0, 0, 4)), id="cut twice"),
        pytest.param((*CUT, intent(0, 0, 4)), id="whole after the cut"),
        pytest.param((*REJECTED, intent(0, 0, 1)), id="sent after rejection"),
        pytest.param((*REJECTED, split(0, 0, 1)), id="cut after rejection"),
        pytest.param((start(1.0), split(0, 0, 1)), id="one ID cannot be cut"),
        pytest.param((*OPENED, outcome(0, 0, 4, "sunk")), id="unknown verdict"),
        pytest.param((intent(0, 0, 101),), id="impossible span"),
        pytest.param((intent(0, 3, 3),), id="empty span"),
        pytest.param((*OPENED, outcome(0, 0, 4, "partial", bad=(4,))), id="bad ID outside"),
    ],
)
def test_d11_contradictions_are_refused(records: tuple[log.Record, ...]) -> None:
    """S10: a log that cannot have happened is corrupt, with its own exit code."""
    with pytest.raises(IntegrityError) as caught:
        replayed(*records)
    assert (caught.value.code, caught.value.exit) == ("checkpoint_corrupt", 6)


def test_an_id_that_no_piece_holds_is_refused() -> None:
    """A log that speaks of fewer IDs than the chunk has accounts for no more."""
    progress = replayed(*CUT)
    with pytest.raises(IntegrityError, match="does not account for ID 4"):
        progress.state_of(0, 4)


def test_facts_about_the_run() -> None:
    """Header, approval, seal and abandonment are kept; a new start breaks the seal."""
    progress = replayed(APPROVAL, start(1.0), log.Setting(name="rate", value="5"), seal(9.0))
    assert progress.header == HEADER
    assert progress.approval == APPROVAL
    assert progress.seal == seal(9.0)
    assert progress.settings == [log.Setting(name="rate", value="5")]
    assert not progress.abandoned
    assert replayed(start(1.0), seal(9.0), start(10.0)).seal is None
    assert replayed(start(1.0), log.Abandon(at=11.0)).abandoned


def test_every_approval_is_kept_and_the_last_counts() -> None:
    """A run that was renewed shows who said yes at first, too."""
    renewed = msgspec.structs.replace(APPROVAL, who="bo", renewed=True)
    progress = replayed(APPROVAL, start(1.0), renewed)
    assert (progress.approvals, progress.approval) == ([APPROVAL, renewed], renewed)
    assert replayed().approval is None


@pytest.mark.parametrize(
    ("said", "paused"), [((), False), (("yes",), True), (("yes", "no"), False), (("no",), False)]
)
def test_a_pause_lasts_until_it_is_taken_back(said: tuple[str, ...], paused: bool) -> None:
    """Or until the next process start, which knows nothing of it; another setting is none."""
    words = [log.Setting(name="paused", value=one, at=2.0) for one in said]
    progress = replayed(start(1.0), *words, log.Setting(name="rate", value="yes"))
    assert progress.paused is paused
    progress.apply(start(9.0))
    assert not progress.paused


def test_the_seconds_of_all_sittings_are_added() -> None:
    """Each process start counts to its last record; pauses between them do not."""
    assert replayed().send_seconds == 0.0
    progress = replayed(start(100.0), intent(0, 0, 4, at=102.0), stop(105.0))
    assert progress.send_seconds == 5.0
    progress.apply(start(1000.0))
    assert progress.send_seconds == 5.0
    progress.apply(intent(1, 0, 4, at=1002.5))
    assert progress.send_seconds == 7.5
    progress.apply(seal(1003.0))
    assert progress.send_seconds == 8.0


def test_k1_a_clock_set_back_takes_no_seconds_away() -> None:
    """A sitting whose clock ran backwards counts as nothing, not as less."""
    assert replayed(start(100.0), stop(40.0)).send_seconds == 0.0


def test_how_the_last_start_stopped() -> None:
    """None before it said so, and none again once the next process has started."""
    assert replayed().stopped is None
    assert replayed(start(1.0)).stopped is None
    assert replayed(start(1.0), stop(2.0)).stopped == stop(2.0)
    assert replayed(start(1.0), stop(2.0), start(3.0)).stopped is None
    assert replayed(start(1.0), stop(2.0), start(3.0), stop(4.0)).stopped == stop(4.0)


def test_k1_the_order_of_the_log_says_who_stopped_not_the_clock() -> None:
    """A clock that was set back between two records changes nothing."""
    assert replayed(start(100.0), stop(40.0)).stopped == stop(40.0)
    assert replayed(start(100.0), stop(105.0), start(50.0)).stopped is None


def test_latencies_are_counted_for_answered_requests() -> None:
    """By the millisecond; a request that never left has none."""
    progress = replayed(
        start(1.0),
        intent(0, 0, 1),
        outcome(0, 0, 1, "throttled"),
        intent(0, 0, 1),
        outcome(0, 0, 1, "failed"),
        intent(0, 0, 1),
        outcome(0, 0, 1, "accepted"),
    )
    assert progress.latencies == {10: 2}
    assert progress.reasons == {"THROTTLED": 1, "FAILED": 1}


def test_c2_everything_settled() -> None:
    """Nothing is left to do, in a plan of no chunks too."""
    assert Progress(0).first_unsettled() == 0
    assert Progress(0).unsettled_chunks() == 0
    progress = replayed(
        start(1.0),
        intent(1, 0, 1),
        outcome(1, 0, 1, "rejected"),
        intent(0, 0, 4),
        outcome(0, 0, 4, "accepted"),
        chunks=2,
    )
    assert progress.first_unsettled() == 2
    assert progress.unsettled_chunks() == 0


def test_a_shredded_run_says_so() -> None:
    """The record changes nothing of the balance."""
    progress = replayed(log.Shred(at=1.0))
    assert progress.shredded
    assert progress.first_unsettled() == 0
