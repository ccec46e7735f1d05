"""The flags that commands share. Values stay text here: `settings` reads and checks them."""

from dataclasses import dataclass, fields
from typing import Annotated, Any

from cyclopts import Group, Parameter

_INPUT = Group("Input", sort_key=1)
_SELECT = Group("Which of it", sort_key=2)
_PLACE = Group("Where it goes", sort_key=2)
GUARDS = Group("Guards", sort_key=3)
SENDING = Group("Sending", sort_key=4)
RUNS = Group("Runs", sort_key=5)
_TELL = Group("Telling others", sort_key=7)
_OUTPUT = Group("Output", sort_key=8)


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class InputFlags:
    """How the input is read."""

    id_type: Annotated[
        str | None,
        Parameter(group=_INPUT, help="identity or guid: the kind of ID in the column."),
    ] = None
    column: Annotated[
        str | None,
        Parameter(group=_INPUT, help="Column or JSON key that holds the ID (dots reach inside)."),
    ] = None
    no_header: Annotated[
        bool, Parameter(group=_INPUT, help="The CSV has no header; --column is a number from 0.")
    ] = False
    explode: Annotated[
        bool, Parameter(group=_INPUT, help="Cells hold bracketed lists: each item is an ID.")
    ] = False
    format: Annotated[
        str | None, Parameter(group=_INPUT, help="auto, csv, jsonl, json, lines, parquet, arrow.")
    ] = None
    delimiter: Annotated[
        str | None,
        Parameter(group=_INPUT, help="Between CSV columns (, ; TAB | are found out)."),
    ] = None
    quote: Annotated[
        str | None,
        Parameter(group=_INPUT, help='Around CSV cells (default: "); none: they mean nothing.'),
    ] = None
    escape: Annotated[
        str | None,
        Parameter(group=_INPUT, help="Before a CSV character that is meant so: backslash."),
    ] = None
    encoding: Annotated[
        str | None,
        Parameter(group=_INPUT, help="utf-8 (default) or latin-1; UTF-16 is found out."),
    ] = None


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class SelectFlags:
    """Which records are meant, how their IDs are put, and what memory it may take."""

    where: Annotated[
        tuple[str, ...],
        Parameter(group=_SELECT, help="COLUMN=VALUE, or != < > <= >= ~REGEX (repeatable: all)."),
    ] = ()
    skip: Annotated[
        str | None, Parameter(group=_SELECT, help="Leave out the first so many of these.")
    ] = None
    limit: Annotated[
        str | None, Parameter(group=_SELECT, help="Then take so many, and leave out the rest.")
    ] = None
    sample: Annotated[
        str | None, Parameter(group=_SELECT, help="Or take so many of them at random.")
    ] = None
    seed: Annotated[
        str | None, Parameter(group=_SELECT, help="Another seed, another sample (0).")
    ] = None
    shard: Annotated[
        str | None,
        Parameter(group=_SELECT, help="Of it all, one of several equal shards: 0/4, 1/4, ... 3/4."),
    ] = None
    numbers: Annotated[
        bool, Parameter(group=_SELECT, help="Take whole numbers in JSON as IDs, by their digits.")
    ] = False
    trim: Annotated[
        bool, Parameter(group=_SELECT, help="Take white space from both ends of each ID.")
    ] = False
    lower: Annotated[bool, Parameter(group=_SELECT, help="Put each ID in lower case.")] = False
    nfc: Annotated[
        bool, Parameter(group=_SELECT, help="Put accents in composed form (Unicode NFC).")
    ] = False
    memory: Annotated[
        str | None,
        Parameter(group=RUNS, help="Memory for a plan; beyond it, the disk of the runs (512MB)."),
    ] = None


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class PlaceFlags:
    """Vendor, account and host."""

    target: Annotated[
        str | None,
        Parameter(group=_PLACE, help="The vendor: clevertap, or another by its name (clevertap)."),
    ] = None
    region: Annotated[
        str | None,
        Parameter(group=_PLACE, help="in1, us1, sg1, aps3, mec1 or eu1. There is no default."),
    ] = None
    endpoint: Annotated[
        str | None,
        Parameter(group=_PLACE, help="A base URL instead; a dashboard address is understood."),
    ] = None
    account_id: Annotated[
        str | None,
        Parameter(
            group=_PLACE,
            help="The account (or CLEVERTAP_ACCOUNT_ID, or the target's).",
        ),
    ] = None
    passcode_file: Annotated[
        str | None,
        Parameter(
            group=_PLACE, help="File (0600) with the passcode (or CLEVERTAP_PASSCODE, or its own)."
        ),
    ] = None
    slots: Annotated[
        str | None,
        Parameter(group=_PLACE, help="redis://HOST:PORT/DB: keeps the slots for many machines."),
    ] = None
    slots_password_file: Annotated[
        str | None,
        Parameter(group=_PLACE, help="File (0600) with its password (or ..._SLOTS_PASSWORD)."),
    ] = None


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class GuardFlags:
    """What must hold before anything is sent."""

    protect: Annotated[
        tuple[str, ...],
        Parameter(group=GUARDS, help="List of IDs never to be sent (repeatable)."),
    ] = ()
    max_deletes: Annotated[
        str | None, Parameter(group=GUARDS, help="Refuse a plan of more IDs than this.")
    ] = None
    expect_count: Annotated[
        str | None, Parameter(group=GUARDS, help="Refuse a plan of any other number of IDs.")
    ] = None
    max_percent: Annotated[
        str | None,
        Parameter(group=GUARDS, help="Refuse more than this percent of --population."),
    ] = None
    population: Annotated[
        str | None, Parameter(group=GUARDS, help="How many users there are in all.")
    ] = None
    max_list_age: Annotated[
        str | None,
        Parameter(group=GUARDS, help="Refuse a list that is older: 15m, 24h, 7d."),
    ] = None
    exported_at: Annotated[
        str | None,
        Parameter(group=GUARDS, help="When the list was made (default: the file's time)."),
    ] = None
    last_seen: Annotated[
        str | None,
        Parameter(group=GUARDS, help="Column: who was seen after --exported-at is protected."),
    ] = None
    max_invalid: Annotated[
        str | None,
        Parameter(group=GUARDS, help="Percent of invalid IDs above which to refuse (1)."),
    ] = None
    chunk_size: Annotated[
        str | None, Parameter(group=GUARDS, help="IDs in a request, 1 to 100 (100).")
    ] = None
    plan_ttl: Annotated[
        str | None,
        Parameter(group=GUARDS, help="How long an approval lives: 90s, 15m, 24h, 7d (24h)."),
    ] = None


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class AcceptFlags:
    """Ways round a guard, each by its name; from the command line and from nowhere else."""

    accept_damage: Annotated[
        tuple[str, ...],
        Parameter(group=GUARDS, help="Damage of the list that is meant so, by its rule."),
    ] = ()
    accept_anomaly: Annotated[
        bool,
        Parameter(group=GUARDS, help="A list that is out of the usual for this job is meant."),
    ] = False
    accept_protect_mismatch: Annotated[
        bool,
        Parameter(group=GUARDS, help="A protect list that fits no ID of the input is meant."),
    ] = False


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class SendFlags:
    """How it is sent; free on resume."""

    max_in_flight: Annotated[
        str | None, Parameter(group=SENDING, help="Requests in flight at most (3).")
    ] = None
    leave_free: Annotated[
        str | None, Parameter(group=SENDING, help="Of these, slots to leave to others (0).")
    ] = None
    rate: Annotated[
        str | None, Parameter(group=SENDING, help="Requests started per second at most.")
    ] = None
    max_failures: Annotated[
        str | None,
        Parameter(group=SENDING, help="Percent rejected or in doubt that stops the run (5)."),
    ] = None
    hold_after: Annotated[
        str | None,
        Parameter(group=SENDING, help="Stop (75) after the first chunks that cover N IDs."),
    ] = None
    on_ambiguous: Annotated[
        str | None,
        Parameter(group=SENDING, help="resend (default) or hold: chunks that may have acted."),
    ] = None
    max_attempts: Annotated[
        str | None, Parameter(group=SENDING, help="Attempts for a chunk (5).")
    ] = None
    timeout: Annotated[
        str | None, Parameter(group=SENDING, help="Seconds for a request, in all (60).")
    ] = None
    grace: Annotated[
        str | None,
        Parameter(group=SENDING, help="Seconds for requests in flight after a signal (10)."),
    ] = None
    give_up_after: Annotated[
        str | None, Parameter(group=SENDING, help="How long an outage may last (15m).")
    ] = None
    window: Annotated[
        str | None,
        Parameter(group=SENDING, help="Send only at these hours, local time: 22:00-06:00."),
    ] = None
    kill_file: Annotated[
        str | None,
        Parameter(group=SENDING, help="Stop (75) when this file is there (RUN_DIR/stop)."),
    ] = None
    max_duration: Annotated[
        str | None, Parameter(group=SENDING, help="Stop (75) after this time.")
    ] = None


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class TellFlags:
    """Who is told besides; none of them can stop or delay a run."""

    metrics_file: Annotated[
        str | None,
        Parameter(group=_TELL, help="Keep metrics in this file, for node_exporter (x.prom)."),
    ] = None
    metrics_port: Annotated[
        str | None,
        Parameter(group=_TELL, help="Serve metrics to Prometheus here: PORT, or ADDRESS:PORT."),
    ] = None
    notify: Annotated[
        tuple[str, ...],
        Parameter(
            group=_TELL, help="URL or command that is told of the end, a stop, a hold (repeatable)."
        ),
    ] = ()
    heartbeat: Annotated[
        str | None, Parameter(group=_TELL, help="URL to ask for when a run ended with 0.")
    ] = None
    otel: Annotated[
        bool, Parameter(group=_TELL, help="Export traces and metrics by OTLP (OTEL_... says how).")
    ] = False


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class ApprovalFlags:
    """Flags that come from the command line and from nowhere else."""

    yes: Annotated[bool, Parameter(group=GUARDS, help="Ask nothing; needs --max-deletes.")] = False
    approve: Annotated[
        str | None,
        Parameter(group=GUARDS, help="Approve exactly this plan: digest, or its first 12 hex."),
    ] = None
    renew: Annotated[
        bool, Parameter(group=GUARDS, help="Approve again a plan whose time to live is over.")
    ] = False


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class RunsFlags:
    """Where runs live."""

    runs_dir: Annotated[
        str | None, Parameter(group=RUNS, help="Where runs live (./bulkdelete-runs).")
    ] = None
    run_dir: Annotated[str | None, Parameter(group=RUNS, help="This run's own directory.")] = None
    key_file: Annotated[
        str | None, Parameter(group=RUNS, help="Keep the run's key in this file instead.")
    ] = None


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class OutputFlags:
    """What is printed."""

    json: Annotated[
        bool, Parameter(group=_OUTPUT, help="Print one JSON object on stdout, and nothing else.")
    ] = False
    log_format: Annotated[
        str | None, Parameter(group=_OUTPUT, help="auto, console or json (stderr).")
    ] = None
    log_level: Annotated[
        str | None, Parameter(group=_OUTPUT, help="debug, info, warning or error (info).")
    ] = None
    quiet: Annotated[bool, Parameter(group=_OUTPUT, help="Print only the line of the result.")] = (
        False
    )
    no_color: Annotated[bool, Parameter(group=_OUTPUT, help="No colours.")] = False
    profile: Annotated[
        str | None, Parameter(group=_OUTPUT, help="Profile of bulkdelete.toml (default).")
    ] = None


def given(*groups: object) -> dict[str, Any]:
    """Return all flags of these groups by name."""
    return {
        one.name: getattr(group, one.name)
        for group in groups
        for one in fields(group)  # type: ignore[arg-type]  # all are dataclasses
    }
