"""What a plan is bound to, as most tests have it: a CSV file of one column of identities."""

from bulkdelete.core.plan import Bound

ONE_COLUMN = Bound(
    rules=1,
    target="clevertap",
    host="https://eu1.api.clevertap.com",
    account="ACCT",
    format=("csv",),
    delimiter=(",",),
    encoding="utf-8",
    header=True,
    column=("0",),
    kind="identity",
    explode=False,
    chunk_size=100,
    protect=(),
)
