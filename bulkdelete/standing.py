"""How runs stand, as the library tells it: offline, and quick, for who asks often.

Nothing that plans or sends is loaded for it.
"""

from pathlib import Path
from typing import TYPE_CHECKING

from bulkdelete.concluding import read
from bulkdelete.core.job_report import JobReport, merged
from bulkdelete.core.report import Report
from bulkdelete.io.rundir import RunDir

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bulkdelete.options import Place


async def status(run_dir: "Place", *, key_file: "Place | None" = None) -> Report:
    """Work out the balance of a run, alive or dead, offline; IntegrityError when it is damaged."""
    return read(named(run_dir, key_file))


async def job_status(run_dirs: "Sequence[Place]") -> JobReport:
    """Work out the balance of a job from the runs of its shards, offline."""
    return merged([read(named(one)) for one in run_dirs])


def named(run_dir: "Place", key_file: "Place | None" = None) -> RunDir:
    """Return the run of a directory."""
    return RunDir(Path(run_dir), None if key_file is None else Path(key_file))
