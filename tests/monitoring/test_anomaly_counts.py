"""The exporter counts anomalies beside the scrapes: a long count delays none, and one that failed is no all-clear."""

import threading
import time
from contextlib import closing

import pytest

from kms_schema.cli.metrics import anomaly_counts
from kms_schema.cli.metrics.anomaly_counts import AnomalyCounts
from kms_schema.monitoring.samples import PartResult
from support.engines import Database


def _until_counted(counts: AnomalyCounts) -> PartResult:
    end = time.monotonic() + 20
    while (found := counts.latest()).error is not None and time.monotonic() < end:
        threading.Event().wait(0.02)
    return found


@pytest.mark.only_on("postgresql")
def test_a_scrape_does_not_wait_for_a_count(database: Database) -> None:
    with closing(database.connect()) as other:
        other.execute("BEGIN; LOCK TABLE key_audit_logs IN ACCESS EXCLUSIVE MODE")
        counts = AnomalyCounts(database.url, "public", {}, patience=0.1)
        assert "not at its end" in (counts.latest().error or "")
        other.execute("ROLLBACK")
    assert _until_counted(counts).samples


def test_a_count_that_failed_is_tried_again_later(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    with closing(database.connect()) as owner:
        owner.execute("ALTER TABLE key_audit_logs RENAME TO away")
        counts = AnomalyCounts(database.url, "public", {}, patience=20)
        assert "key_audit_logs" in (counts.latest().error or "")
        owner.execute("ALTER TABLE away RENAME TO key_audit_logs")
    assert counts.latest().error, "it is not tried again in each scrape"
    monkeypatch.setattr(anomaly_counts, "RETRY_SECONDS", 0.0)
    counts._due = 0.0  # instead of a minute
    assert _until_counted(counts).samples


def test_an_old_count_is_not_shown(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    counts = AnomalyCounts(database.url, "public", {}, patience=20)
    assert counts.latest().samples
    monkeypatch.setattr(anomaly_counts, "OLD_SECONDS", 0.0)
    assert "seconds old" in (counts.latest().error or "")


def test_a_scrape_after_a_long_time_waits_for_a_new_count(database: Database) -> None:
    counts = AnomalyCounts(database.url, "public", {}, patience=20)
    assert counts.latest().samples
    counts._counted -= 3600  # instead of an hour
    assert "seconds old" in (counts.latest().error or "")
    counts._due = 0.0
    assert counts.latest().samples


def test_a_count_that_has_no_thread_begins_with_the_next_scrape(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise RuntimeError("can't start new thread")

    counts = AnomalyCounts(database.url, "public", {}, patience=20)
    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", refuse)
        try:
            said = counts.latest().error
        except RuntimeError as error:
            said = str(error)
        assert "not at its end" in (said or "")
    assert counts.latest().samples
