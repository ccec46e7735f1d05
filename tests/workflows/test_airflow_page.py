"""The page for Airflow shows the files that `make test-airflow` runs, and they are all there."""

import json
import re
from pathlib import Path

import pytest

from bulkdelete.airflow.access import Access
from bulkdelete.settings import FIELDS
from tests.workflows.connection import Connection

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "airflow.md").read_text("utf-8")


def test_the_page_shows_what_is_run() -> None:
    """Each DAG of deploy/ stands there, to the letter."""
    shown = dict(
        re.findall(r"<!-- file:(\S+) -->\n```python\n(.*?)```\n<!-- /file -->", PAGE, re.DOTALL)
    )
    every = (ROOT / "deploy" / "airflow").glob("*.py")
    assert shown == {str(one.relative_to(ROOT)): one.read_text("utf-8") for one in every}


def test_the_connection_of_the_page_is_one() -> None:
    """Its JSON is what Airflow imports, and what the hook reads."""
    (text,) = re.findall(r"<!-- airflow:connection -->\n\s*```json\n(.*?)```", PAGE, re.DOTALL)
    ((name, found),) = json.loads(text).items()
    assert (name, found.pop("conn_type")) == ("clevertap_default", "clevertap")
    access = Access.of(Connection(name, **found))
    assert (access.account, access.place) == ("XXX-XXX-XXXX", {"region": "eu1"})


def test_what_the_page_links_is_there() -> None:
    """Files and pages."""
    links = re.findall(r"\]\(([^)#:]+)\)", PAGE)
    assert {"library.md", "../deploy/prefect/purge.py"} <= set(links)
    assert not [one for one in links if not (ROOT / "docs" / one).exists()]


@pytest.mark.parametrize("name", ["grace", "max_duration", "give_up_after"])
def test_an_option_that_the_page_names_is_one(name: str) -> None:
    """Settings that are spelled there."""
    assert name in PAGE
    assert name in FIELDS
