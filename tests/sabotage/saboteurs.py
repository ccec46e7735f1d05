"""One-line bugs that the tests must catch, each with the tests that are there to catch it."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Saboteur:
    """Replaces `old`, which stands once in the package's file `path`, by `new`.

    `tests` are pytest's own arguments; a bug that all of them survive is one that nobody sees.
    """

    name: str
    path: str
    old: str
    new: str
    tests: tuple[str, ...]

    def __post_init__(self) -> None:
        if not self.tests or self.old == self.new:
            raise ValueError(f"{self.name} changes nothing, or nothing looks at it")


_JOURNAL = "io/journal.py"
_TARGET = "core/target.py"
_CLEVERTAP = "targets/clevertap.py"
_CLIENT = "io/client.py"
_LOG = "core/checkpoint.py"

SABOTEURS = (
    Saboteur(
        "fsync removed", _JOURNAL, "os.fdatasync(self._fd)", "pass", ("tests/io/test_journal.py",)
    ),
    Saboteur(
        "durable before the sync",
        _JOURNAL,
        "            self._disk.sync(self._synced)\n",
        "            self._synced(None)\n",
        ("tests/io/test_journal.py",),
    ),
    Saboteur(
        "failed sync believed",
        _JOURNAL,
        "                error = failed\n",
        "                error = None if failed else failed\n",
        ("tests/io/test_journal.py",),
    ),
    Saboteur(
        "log cut under us not seen",
        _JOURNAL,
        "if self._disk.size() != self._size:",
        "if self._disk.size() == 0:",
        ("tests/io/test_journal.py",),
    ),
    Saboteur(
        "torn tail not cut",
        _JOURNAL,
        "            self._disk.cut(reader.size)\n",
        "            self._disk.cut(reader.size + reader.torn)\n",
        ("tests/io/test_journal.py",),
    ),
    Saboteur(
        "intent not waited for",
        "dispatch.py",
        "await self.ledger.append(intent)",
        "self.ledger.append(intent)",
        ("tests/simulation/test_simulation.py",),
    ),
    Saboteur(
        "outcome not recorded",
        "dispatch.py",
        "self._record(job, verdict, reply, seconds)",
        "self.turns.observe(verdict)",
        ("tests/runs/test_main_job.py::test_every_id_is_sent_once_and_the_run_is_sealed",),
    ),
    Saboteur(
        "gate not asked again after the intent",
        "dispatch.py",
        "return self.may_send() and self.turns.depart(turn)",
        "return self.turns.depart(turn) or True",
        (
            "tests/runs/test_traps.py::test_r2_a_wait_hint_is_waited_for",
            "tests/simulation/test_simulation.py",
        ),
    ),
    Saboteur(
        "cut-off request called unsent",
        "dispatch.py",
        "reply = Lost(_INTERRUPTED, sent=True, abandoned=True)",
        "reply = Lost(_INTERRUPTED, sent=False, abandoned=True)",
        ("tests/simulation/test_simulation.py",),
    ),
    Saboteur(
        "checksum not compared",
        _LOG,
        'if line[-9:-1] != b"%08x" % google_crc32c.value(line[:-10]):',
        'if line[-9:-1] == b"":',
        ("tests/core/test_checkpoint.py",),
    ),
    Saboteur(
        "chain not compared",
        _LOG,
        "and found.prev == self._head",
        "and found.prev",
        ("tests/core/test_checkpoint.py",),
    ),
    Saboteur(
        "damage in the middle called torn",
        _LOG,
        "if found is not None and found.group[0] > self._group:",
        "if found is not None and found.group[0] < 0:",
        ("tests/core/test_checkpoint.py",),
    ),
    Saboteur(
        "half a group believed",
        _LOG,
        "if len(group) == found.group[2]:",
        "if len(group) <= found.group[2]:",
        ("tests/core/test_checkpoint.py",),
    ),
    Saboteur(
        "snapshot of an altered log believed",
        "io/snapshots.py",
        "if found.chunks != chunks or not _unaltered(place.blocks, read):",
        "if found.chunks != chunks:",
        ("tests/io/test_snapshots.py",),
    ),
    Saboteur(
        "altered snapshot believed",
        "core/snapshot.py",
        'if rest != sha256(text).hexdigest().encode() + b"\\n":',
        'if rest[-1:] != b"\\n":',
        ("tests/core/test_snapshot.py",),
    ),
    Saboteur(
        "snapshot before it is durable",
        "io/journal.py",
        "            self._disk.sync(self._synced)\n",
        "            self._disk.sync(self._synced)\n"
        "            if self._take is not None and (place := self._due()) is not None:\n"
        "                self._disk.keep(self._take(place))\n",
        ("tests/io/test_snapshots.py",),
    ),
    Saboteur(
        "success by status only",
        _TARGET,
        "    answer = json_value(reply, most)\n    if answer is None:",
        '    answer = json_value(reply, most) or {"status": "success"}\n    if answer is None:',
        ("tests/core/test_target.py",),
    ),
    Saboteur(
        "cut answer believed",
        _TARGET,
        '    if not reply.complete:\n        return Ambiguous("answer_cut")\n',
        "",
        ("tests/core/test_target.py",),
    ),
    Saboteur(
        "5xx taken for a success",
        _TARGET,
        "_SUCCESSES = range(200, 300)",
        "_SUCCESSES = range(200, 600)",
        ("tests/core/test_target.py",),
    ),
    Saboteur(
        "401 tried again",
        _TARGET,
        "    return Abort(reason)\n\n\ndef _success",
        "    return Ambiguous(reason)\n\n\ndef _success",
        ("tests/core/test_target.py",),
    ),
    Saboteur(
        "a doubled key taken",
        _TARGET,
        "object_pairs_hook=_once",
        "object_pairs_hook=dict",
        ("tests/core/test_target.py",),
    ),
    Saboteur(
        "wait hint not heeded",
        _TARGET,
        "return Throttled(reason, (hint or wait_hint)(reply.headers))",
        "return Throttled(reason)",
        ("tests/core/test_target.py",),
    ),
    Saboteur(
        "IDs trimmed on the wire",
        _CLEVERTAP,
        "{kind.value: list(ids)}",
        "{kind.value: [one.strip() for one in ids]}",
        ("tests/core/test_target.py",),
    ),
    Saboteur(
        "redirects followed",
        _CLIENT,
        "allow_redirects=False",
        "allow_redirects=True",
        ("tests/io/test_client.py",),
    ),
    Saboteur(
        "proxies of the environment used",
        _CLIENT,
        "trust_env=False",
        "trust_env=True",
        ("tests/io/test_client.py",),
    ),
    Saboteur(
        "answers without bound",
        _CLIENT,
        "if len(data) > most:",
        "if len(data) < 0:",
        ("tests/io/test_client.py",),
    ),
    Saboteur(
        "TLS not verified",
        "io/tls.py",
        "context = ssl.create_default_context()",
        "context = ssl._create_unverified_context()",
        ("tests/io/test_client.py",),
    ),
    Saboteur(
        "connection with an unasked answer used",
        "io/connections.py",
        "return handler is not None and not handler.should_close",
        "return handler is not None",
        ("tests/io/test_client.py",),
    ),
    Saboteur(
        "a lost answer called unsent",
        _CLIENT,
        'return Lost("connection_lost", sent=sent)',
        'return Lost("connection_lost", sent=False)',
        ("tests/io/test_client.py",),
    ),
    Saboteur(
        "slots not locked",
        "io/slots.py",
        "fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)",
        "fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)",
        ("tests/io/test_slots.py",),
    ),
    Saboteur(
        "run not locked",
        "io/rundir.py",
        "            held.acquire()\n",
        "            held.timeout = 0\n",
        ("tests/runs/test_main_job.py::test_x1_of_many_processes_one_works",),
    ),
    Saboteur(
        "index not compared",
        "io/rundir.py",
        "if index.sha256() != plan.index_sha256:",
        "if not index.sha256():",
        ("tests/runs/test_bound.py::test_s10_an_index_that_was_altered_is_refused",),
    ),
    Saboteur(
        "doubts that never expire",
        "core/guards.py",
        "if since is None or now - since < DOUBT_LIVES:",
        "if since is None or now >= since:",
        ("tests/core/test_guards.py",),
    ),
    Saboteur(
        "chunk digest not compared",
        "sending.py",
        "if (digest, chunk.kind, len(chunk.ids)) != (entry.digest, entry.kind, entry.count):",
        "if not digest:",
        ("tests/simulation/test_simulation.py",),
    ),
    Saboteur(
        "canary skipped",
        "backlog.py",
        "if self._stopped or self._full:",
        "if self._stopped:",
        ("tests/simulation/test_simulation.py",),
    ),
    Saboteur(
        "accepted chunks sent again",
        "core/progress.py",
        "if self.states[seq] == ChunkState.ACCEPTED:\n            return []",
        "if self.states[seq] == ChunkState.ACCEPTED and size < 0:\n            return []",
        ("tests/core/test_progress.py",),
    ),
    Saboteur(
        "retry budget ignored",
        "sending.py",
        "if self.tally.retries >= self._budget:",
        "if self.tally.retries < 0:",
        ("tests/simulation/test_simulation.py",),
    ),
    Saboteur(
        "held doubts sent again",
        "sending.py",
        "return self._limits.hold_doubts or old",
        "return self._limits.hold_doubts and old",
        ("tests/runs/test_bound.py::test_a_doubt_of_a_stopped_run_is_held_when_it_goes_on",),
    ),
    Saboteur(
        "failures without end",
        "core/guards.py",
        "return chunks >= FAILURES_COUNT_AFTER and not failed * 100 <= max_percent * settled",
        "return chunks < 0 and not failed * 100 <= max_percent * settled",
        ("tests/core/test_guards.py",),
    ),
    Saboteur(
        "plans that never expire",
        "core/guards.py",
        "if not now < approval.expires:",
        "if not now < now + approval.expires:",
        ("tests/core/test_guards.py",),
    ),
    Saboteur(
        "approval of another plan taken",
        "core/guards.py",
        "if len(bare) < SHORT_DIGEST or not any(whole.startswith(bare) for whole in wholes):",
        "if len(bare) < SHORT_DIGEST:",
        ("tests/core/test_guards.py",),
    ),
    Saboteur(
        "protect list skipped",
        "surveying.py",
        "for place in rules.matches(ids, kind):",
        "for place in rules.matches((), kind):",
        ("tests/runs/test_main_job.py::test_s2_protected_ids_are_never_on_the_wire",),
    ),
    Saboteur(
        "empty protect list taken",
        "protecting.py",
        "        if not found.entries:\n",
        "        if found.entries < 0:\n",
        (
            "tests/runs/test_main_job.py::test_i16_a_protect_list_that_is_missing_or_empty_means_no_run",
        ),
    ),
    Saboteur(
        "repetitions sent",
        "surveying.py",
        "for place in self._seen.repeated(ids, kind, some.data):",
        "for place in self._seen.repeated((), kind, some.data):",
        ("tests/runs/test_reports.py::test_outcome_files_hold_every_id_in_its_columns",),
    ),
    Saboteur(
        "the sketch outlives shredding",
        "shredding.py",
        '("run.key", "input.spool", SKETCH, *names)',
        '("run.key", "input.spool", *names)',
        ("tests/runs/test_shred.py::test_after_shredding_nothing_ties_to_a_person",),
    ),
    Saboteur(
        "an altered outcome file passes the audit",
        "comparing.py",
        "    if altered:\n        names",
        "    if altered and not known:\n        names",
        ("tests/runs/test_audit.py::test_z3_any_file_of_a_run_that_was_edited_alone_shows",),
    ),
    Saboteur(
        "changed input not looked at",
        "running.py",
        "        await check_unchanged(self.plan, self.job.parts)\n",
        "",
        (
            "tests/runs/test_bound.py::test_h3_a_list_edited_at_its_end_is_refused_before_the_first_request",
        ),
    ),
    Saboteur(
        "another account's credentials taken",
        "starting.py",
        "if self.credentials and self.credentials.account != self.plan.bound.account:",
        "if self.credentials and not self.credentials.account:",
        ("tests/runs/test_reports.py::test_g4_credentials_of_another_account_are_refused",),
    ),
    Saboteur(
        "changed protect list not looked at",
        "running.py",
        "if lists != [one.sha256 for one in self.plan.bound.protect]:",
        "if len(lists) != len(self.plan.bound.protect):",
        ("tests/runs/test_bound.py::test_s10_a_protect_list_edited_after_the_plan_is_refused",),
    ),
    Saboteur(
        "ceiling without effect",
        "core/guards.py",
        "if max_deletes is not None and counts.planned > max_deletes:",
        "if max_deletes is not None and counts.planned < 0:",
        ("tests/core/test_guards.py",),
    ),
    Saboteur(
        "silence taken for an approval",
        "cli/approval.py",
        "if not (sys.stdin.isatty() and sys.stderr.isatty()):",
        "if not (sys.stdin.isatty() and sys.stderr.isatty()):\n        return",
        (
            "tests/runs/test_traps.py::test_an_unapproved_plan_is_shown_each_time",
            "tests/runs/test_main_job.py::test_guards_before_the_first_request",
        ),
    ),
    Saboteur(
        "rate ignored",
        "io/pacing.py",
        "await self._wait(max(_LEAST_WAIT, seconds))",
        "return math.inf",
        ("tests/io/test_pacing.py",),
    ),
    Saboteur(
        "files that others may read",
        "io/files.py",
        "fd = os.open(path, _NEW, 0o600)",
        "fd = os.open(path, _NEW, 0o644)",
        ("tests/io/test_files.py",),
    ),
    Saboteur(
        "cells that a spreadsheet runs",
        "core/outcomes.py",
        """return "'" + cell if _RUNS.match(cell) else cell""",
        """return cell if _RUNS.match(cell) else cell""",
        ("tests/core/test_outcomes.py",),
    ),
    Saboteur(
        "passcode shown in a repr",
        "settings/who.py",
        "passcode: str = field(repr=False)",
        "passcode: str",
        ("tests/runs/test_bound.py::test_s15_the_passcode_is_in_no_text_of_the_credentials",),
    ),
    Saboteur(
        "hold after a 429 ignored",
        "core/gate.py",
        "return max(0.0, self.not_before - now, self._earliest(in_flight) - now)",
        "return max(0.0, self._earliest(in_flight) - now)",
        ("tests/core/test_gate.py",),
    ),
)
