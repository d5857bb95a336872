"""The web application: webhooks, /health, /metrics and /openapi.json."""

from __future__ import annotations

from http import HTTPStatus
from importlib.metadata import version
from typing import Any, Final

from fastapi import APIRouter, FastAPI, Response
from fastapi.openapi.utils import get_openapi
from starlette.routing import Route

from wfm.service.health import HealthChecker, HealthReport
from wfm.service.metrics import CONTENT_TYPE, ServiceMetrics
from wfm.service.webhooks import WebhookReceiver

TITLE: Final = "wfm"
WEBHOOK_PATH: Final = "/hooks/{source}/{secret}"


def create_app(health_checker: HealthChecker, metrics: ServiceMetrics, receiver: WebhookReceiver) -> FastAPI:
    """Create the application."""
    # without documentation pages, which would load scripts from other servers; the description is at /openapi.json
    app = FastAPI(title=TITLE, version=version(TITLE), docs_url=None, redoc_url=None)
    app.router.routes.append(Route("/hooks/{source}/{secret:path}", receiver, include_in_schema=False))
    app.include_router(_build_monitoring_routes(health_checker, metrics))
    app.openapi = lambda: _build_openapi(app)  # type: ignore[method-assign]
    return app


def _build_monitoring_routes(health_checker: HealthChecker, metrics: ServiceMetrics) -> APIRouter:
    router = APIRouter(tags=["monitoring"])

    @router.get("/health", responses={503: {"model": HealthReport, "description": "Something is bad."}})
    async def health(response: Response) -> HealthReport:
        """Report on every feed, the database, the spool and the write-ahead log; 503 if anything is bad."""
        report = await health_checker.get_report()
        if report.status == "bad":
            response.status_code = HTTPStatus.SERVICE_UNAVAILABLE
        return report

    plain = {"text/plain": {"schema": {"type": "string"}}}

    @router.get("/metrics", response_class=Response, responses={200: {"content": plain}})
    def metrics_text() -> Response:
        """Return the metrics in the text format of Prometheus."""
        return Response(metrics.render_text(), media_type=CONTENT_TYPE)

    return router


def _build_openapi(app: FastAPI) -> dict[str, Any]:
    """Build the OpenAPI description; webhooks, which are bare ASGI endpoints, are added by hand."""
    if app.openapi_schema is None:
        schema = get_openapi(title=app.title, version=app.version, routes=app.routes)
        schema["paths"][WEBHOOK_PATH] = {
            "parameters": [
                {"name": name, "in": "path", "required": True, "schema": {"type": "string", "minLength": 1}}
                for name in ("source", "secret")
            ],
            "get": _describe_webhook("in the query"),
            "post": _describe_webhook("in the body, of any type")
            | {"requestBody": {"content": {"*/*": {"schema": {}}}}},
        }
        app.openapi_schema = schema
    return app.openapi_schema


_WEBHOOK_RESPONSES: Final = {
    "200": "The delivery is stored; the body is what the vendor expects.",
    "404": "There is no such webhook, or it may not be called from there.",
    "408": "The body took too long.",
    "413": "The body is longer than 64 kB.",
    "414": "The query is longer than 8 kB.",
    "503": "The delivery could not be stored; send it again.",
}


def _describe_webhook(how: str) -> dict[str, Any]:
    return {
        "tags": ["webhooks"],
        "summary": f"Receive a delivery that a vendor sends {how}",
        "responses": {
            status: {"description": text, "content": {"*/*": {"schema": {}}}}
            for status, text in _WEBHOOK_RESPONSES.items()
        },
    }
