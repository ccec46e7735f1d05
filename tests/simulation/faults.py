"""What can go wrong, by name; each run counts which of them really happened."""

ANSWERS: dict[str, float] = {
    # at the connection
    "connect_failed": 2,
    "connect_timeout": 1,
    "dns_failed": 1,
    "tls_failed": 0.4,
    "cut_in_body": 1,
    "dropped_before_acting": 2,
    "dropped_after_acting": 3,
    "timeout_before_acting": 1.5,
    "timeout_after_acting": 1.5,
    # answers that are none
    "answer_cut": 1,
    "answer_empty": 1,
    "answer_html": 0.8,
    "answer_wrong_json": 1,
    "answer_twice_status": 0.5,
    "answer_late": 2,
    # the body says no
    "fail_plain": 1,
    "fail_429": 1,
    "fail_503": 1,
    "fail_401": 0.3,
    # the status says no
    "http_400": 1,
    "http_409": 0.5,
    "http_413": 0.5,
    "http_422": 0.5,
    "http_404_json": 0.6,
    "http_404_html": 0.3,
    "http_401": 0.4,
    "http_403": 0.3,
    "http_405": 0.2,
    "http_3xx": 0.4,
    "http_408": 0.5,
    "http_429": 3,
    "http_429_wait": 2,
    "http_429_date": 1,
    "http_429_nonsense": 1,
    "http_429_long_wait": 0.4,
    "http_500_html": 2,
    "http_503": 1,
    "http_503_wait": 1,
    # the sister endpoints' way
    "partial_some": 1.5,
    "partial_all": 0.6,
    "partial_unknown": 0.6,
}
"""What a server may do to a request that it could have accepted, and how often of each other."""

SERVER = ("bad_id_refused", "neighbours_took_slots", "connect_slow", "withheld")
DISK = (
    "write_no_room",
    "write_error",
    "write_short",
    "sync_error",
    "sync_slow",
    "cut_error",
    "no_room_ahead",
)
POWER = ("power_kept", "power_dropped", "power_torn", "power_trashed")
PROCESS = (
    "killed",
    "power_lost",
    "killed_at_first_byte",
    "killed_at_act",
    "killed_in_write",
    "killed_after_sync",
    "killed_at_sync_error",
    "signal",
    "second_signal",
    "grace_over",
    "cancelled",
    "frozen",
    "clock_forward",
    "clock_back",
)
SNAPSHOTS = ("snapshot_used", "snapshot_passed_over")
SLOTS = ("slots_busy", "slots_taken_for_long")
STARTS = (
    "input_changed",
    "input_changed_unseen",
    "log_corrupted",
    "approval_expired",
    "approval_renewed",
    "doubt_too_old",
    "too_many_ids",
    "other_account",
    "held_after",
    "held_in_doubt",
    "too_many_failures",
    "out_of_time",
    "out_of_retries",
    "outage",
    "canary_refused",
    "canary_in_doubt",
    "waits_too_long",
    "rate_limited",
)

STORM = (*ANSWERS, *SERVER, *DISK, *POWER, *PROCESS, *SNAPSHOTS, *SLOTS, *STARTS)
"""What must have happened at least once over a range of runs."""
