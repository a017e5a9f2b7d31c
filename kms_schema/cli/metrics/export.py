"""`kms-schema metrics export`: serve the metrics over HTTP, or write them to a file."""

from pathlib import Path
from typing import Any

import click

from kms_schema.cli import interrupts, messages
from kms_schema.cli.connections import url_of
from kms_schema.cli.database_errors import CannotConnect
from kms_schema.cli.metrics.snapshots import Snapshots
from kms_schema.cli.options import STANDARD_OUTPUT, OutputFile, where
from kms_schema.cli.streams import print_unchanged
from kms_schema.files.outputs import FOR_OTHERS, replaced_file

_file = click.Path(exists=True, dir_okay=False, readable=True, path_type=Path)


@click.command(
    "export",
    epilog="\b\nExamples:\n  kms-schema metrics --listen 127.0.0.1:19187"
    "\n  kms-schema metrics --listen :19187 --tls-cert kms.crt --tls-key kms.key \\"
    "\n    --tls-client-ca prometheus-ca.crt"
    "\n  kms-schema metrics --once \\"
    "\n    --textfile /var/lib/prometheus/node-exporter/kms.prom"
    "\n\nExit status: 0 written, or ended by SIGTERM, 1 with --once a part failed, 2 usage, 3 with --once no"
    " connection, or the file or address cannot be used.",
)
@click.option(
    "--listen", metavar="HOST:PORT",
    help="Serve the metrics over HTTP at this address; `:PORT` is every address of this host.",
)  # fmt: skip
@click.option("--textfile", type=OutputFile(standard=STANDARD_OUTPUT), metavar="FILE",
              help="Write the metrics to this file, which is replaced as a whole.")  # fmt: skip
@click.option("--once", is_flag=True, help="Write the file of --textfile once, and end.")
@click.option("--interval", type=click.FloatRange(1, 86400), default=60.0, show_default=True, metavar="SECONDS",
              help="The time between two versions of the file of --textfile.")  # fmt: skip
@click.option("--no-names", is_flag=True, help="Leave out the ids and names of keys, and count keys by type.")
@click.option("--tls-cert", type=_file, metavar="FILE", help="Serve HTTPS with this certificate.")
@click.option("--tls-key", type=_file, metavar="FILE", help="The private key of the certificate.")
@click.option(
    "--tls-client-ca", type=_file, metavar="FILE", help="Require client certificates of this certificate authority."
)
@where
def export_command(
    *, database_url: str | None, schema: str, listen: str | None, textfile: Path | None, once: bool, interval: float,
    no_names: bool, tls_cert: Path | None, tls_key: Path | None, tls_client_ca: Path | None,
) -> int:  # fmt: skip
    """Serve the metrics over HTTP, or write them to a file for node_exporter.

    Each scrape reads one snapshot as a member of kms_auditor. Without the database it reports
    kms_collector_success 0 for each part. HTTP has no passwords: use TLS with client certificates, or a proxy.
    """
    import prometheus_client

    if (listen is None) == (textfile is None):
        raise click.UsageError("give either --listen HOST:PORT or --textfile FILE")
    if once and textfile is None:
        raise click.UsageError("--once belongs to --textfile")
    if (tls_cert is None) != (tls_key is None) or (tls_client_ca is not None and tls_cert is None):
        raise click.UsageError("TLS needs --tls-cert and --tls-key; --tls-client-ca is in addition to both")
    if listen is None and tls_cert is not None:
        raise click.UsageError("--tls-cert belongs to --listen")
    address = None if listen is None else _address(listen)
    snapshots = Snapshots(url_of(database_url), schema, names=not no_names, patience=_FIRST_COUNT[listen is None])
    try:
        prometheus_client.CollectorRegistry  # noqa: B018  (imports the library)
    except ImportError as error:
        raise CannotConnect(
            f"prometheus_client cannot be loaded ({error}); pip install 'kms-schema[metrics]'"
        ) from None
    try:
        if address is not None:
            files = {"certfile": tls_cert, "keyfile": tls_key, "client_cafile": tls_client_ca}
            return _serve(snapshots, address, files)
        assert textfile is not None  # noqa: S101  (one of the two is given)
        return _write_once(snapshots, textfile) if once else _write(snapshots, textfile, interval)
    finally:
        snapshots.close()


_FIRST_COUNT = {False: 5.0, True: 60.0}
"""Seconds to wait for the first count of anomalies: Prometheus waits ten seconds, a file has time."""


def _address(text: str) -> tuple[str, int]:
    host, colon, port = text.rpartition(":")
    if not colon or not port.isdecimal() or int(port) > 65535:
        raise click.UsageError(f"--listen {text!r}: give HOST:PORT, such as 127.0.0.1:19187 or [::1]:19187")
    return host.removeprefix("[").removesuffix("]") or "0.0.0.0", int(port)  # noqa: S104  (was asked for)


def _serve(snapshots: Snapshots, address: tuple[str, int], files: dict[str, Path | None]) -> int:
    import prometheus_client

    from kms_schema.monitoring import exposition

    registry = prometheus_client.CollectorRegistry()
    registry.register(exposition.SnapshotCollector(snapshots.read))
    tls: dict[str, Any] = {name: str(file) for name, file in files.items() if file is not None}
    if "client_cafile" in tls:
        tls["client_auth_required"] = True
    host, port = address
    with interrupts.stopped_by_signals() as stop:
        try:
            server, thread = prometheus_client.start_http_server(port, addr=host, registry=registry, **tls)
        except OSError as error:  # of TLS, too
            raise CannotConnect(f"cannot listen on {host} port {port}: {error.strerror or error}") from None
        scheme = "https" if tls else "http"
        shown = f"[{host}]" if ":" in host else host
        messages.note(f"serving metrics at {scheme}://{shown}:{server.server_port}/metrics")
        stop.event.wait()
        server.shutdown()
        server.server_close()
        thread.join()
    return interrupts.status_of(stop)


def _write(snapshots: Snapshots, file: Path, interval: float) -> int:
    with interrupts.stopped_by_signals() as stop:
        while not stop.event.is_set():
            _write_once(snapshots, file)
            stop.event.wait(interval)
    return interrupts.status_of(stop)


def _write_once(snapshots: Snapshots, file: Path) -> int:
    from kms_schema.monitoring import exposition

    snapshot = snapshots.read()
    try:
        if file == STANDARD_OUTPUT:
            print_unchanged(exposition.text_of(snapshot).decode())
        else:
            with replaced_file(file, FOR_OTHERS) as output:
                output.write(exposition.text_of(snapshot))
    except OSError as error:
        raise CannotConnect(f"cannot write {file}: {error.strerror}") from None
    failed = snapshot.failures()
    return 3 if snapshot.at is None else int(bool(failed))
