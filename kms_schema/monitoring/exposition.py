"""Writes snapshots in the exposition format of Prometheus, by `prometheus_client` (the extra `metrics`)."""

from collections.abc import Callable, Iterator

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from kms_schema.monitoring.names import METRICS, Kind
from kms_schema.monitoring.samples import Snapshot


class SnapshotCollector(Collector):
    """Reads one snapshot for each scrape.

    read: called once for each scrape, in the thread of the request. Example::

        registry = CollectorRegistry()
        registry.register(SnapshotCollector(lambda: take_snapshot(connection)))
    """

    def __init__(self, read: Callable[[], Snapshot]) -> None:
        """Take the function that reads a snapshot."""
        self._read = read

    def describe(self) -> list[Metric]:
        """Return no metrics: nothing is read when the collector is registered."""
        return []

    def collect(self) -> Iterator[Metric]:
        """Yield the metrics of a new snapshot, in the order of the registry of names."""
        yield from families(self._read())


def families(snapshot: Snapshot) -> Iterator[Metric]:
    """Yield the metrics of a snapshot that have a sample."""
    for metric in METRICS:
        samples = snapshot.by_name.get(metric.name)
        if samples:
            make = CounterMetricFamily if metric.kind is Kind.COUNTER else GaugeMetricFamily
            family = make(metric.name, metric.help, labels=metric.labels)
            for sample in samples:
                family.add_metric(sample.labels, sample.value)
            yield family


def text_of(snapshot: Snapshot) -> bytes:
    """Return a snapshot as a text file for the textfile collector of node_exporter. Example::

    Path("kms.prom").write_bytes(text_of(snapshot))
    """
    registry = CollectorRegistry()
    registry.register(SnapshotCollector(lambda: snapshot))
    return generate_latest(registry)
