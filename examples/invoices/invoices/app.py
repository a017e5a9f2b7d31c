"""Invoices over HTTP: `uvicorn invoices.app:app`. It reads KMS_DATABASE_URL, KMS_ROOT_KEYS and KMS_SCHEMA."""

import json
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from invoices.models import Base, Invoice
from kms_schema.engine import configure
from kms_schema.keyring import AsyncKeyRing, KeyRingError
from kms_schema.roots import open_roots, split_option

DRIVERS = {"postgresql": "postgresql+psycopg", "sqlite": "sqlite+aiosqlite"}


@asynccontextmanager
async def lifespan(app: Starlette) -> AsyncIterator[None]:
    """Open the ring before the first request, and close it after the last: then its uses are in the audit log."""
    url = sa.make_url(os.environ["KMS_DATABASE_URL"])
    engine = create_async_engine(url.set(drivername=DRIVERS[url.get_backend_name()]), hide_parameters=True)
    configure(engine.sync_engine)
    roots = open_roots(dict(map(split_option, os.environ["KMS_ROOT_KEYS"].split())))  # as the commands do
    with roots:
        async with AsyncKeyRing(engine, roots, schema=os.environ.get("KMS_SCHEMA", "public")) as ring:
            ring.attach(Base.metadata)
            app.state.engine = engine
            yield
    await engine.dispose()


async def add(request: Request) -> Response:
    """Store an invoice: `{"iban": "DE89 3704"}`."""
    try:
        iban = json.loads(await request.body())["iban"]
    except (ValueError, KeyError, TypeError):
        iban = None
    if not isinstance(iban, str) or not 1 <= len(iban) <= 42 or not iban.isprintable():
        return JSONResponse({"error": 'send {"iban": TEXT} with 1 to 42 printable characters'}, status_code=400)
    async with AsyncSession(request.app.state.engine, expire_on_commit=False) as session:
        invoice = Invoice(iban=iban)
        session.add(invoice)
        await session.commit()
    return JSONResponse({"id": str(invoice.id)}, status_code=201)


async def show(request: Request) -> Response:
    """Return an invoice."""
    async with AsyncSession(request.app.state.engine) as session:
        invoice = await session.get(Invoice, request.path_params["id"])
    if invoice is None:
        return JSONResponse({"error": "there is no such invoice"}, status_code=404)
    return JSONResponse({"id": str(invoice.id), "iban": invoice.iban})


async def health(request: Request) -> Response:
    """Answer 200 while the database answers and the table is there."""
    async with AsyncSession(request.app.state.engine) as session:
        await session.execute(sa.select(Invoice.id).limit(1))
    return JSONResponse({"status": "ok"})


async def unavailable(_request: Request, error: Exception) -> Response:
    """Answer 503: the log of the server has the error, which shows no value."""
    print(f"{type(error).__name__}: {error}", flush=True)
    return JSONResponse({"error": "the database or a key is not available"}, status_code=503)


app = Starlette(
    routes=[
        Route("/invoices", add, methods=["POST"]),
        Route("/invoices/{id:uuid}", show),
        Route("/health", health),
    ],
    lifespan=lifespan,
    exception_handlers={KeyRingError: unavailable, sa.exc.DBAPIError: unavailable},
)
