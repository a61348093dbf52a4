"""The OpenAPI document of the verifier."""

from typing import Any

from tenure import __version__
from tenure.domain.roles import Capability, Level, Role
from tenure.domain.verification import Code

_CAPABILITY = {"type": "string", "enum": [capability.value for capability in Capability]}
_LEVEL_IN_PATH = {"type": "string", "enum": [level.label for level in (Level.VIEW, Level.FULL)]}
_LEVEL = {**_LEVEL_IN_PATH, "default": "View"}
_CODE = {"type": "string", "enum": [code.value for code in Code]}
_TEXT = {"type": "string"}
_TEXT_OR_NULL = {"type": ["string", "null"]}


def openapi() -> dict[str, Any]:
    """Return the document in OpenAPI 3.1."""
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Tenure's verifier",
            "version": __version__,
            "description": "Checks tokens of API keys. Send tokens in headers and bodies, never in URLs.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "paths": {
            "/v1/verify": {"post": _verify()},
            "/v1/authorize": {"get": _authorize()},
            "/v1/authorize/{namespace}/{capability}/{level}/{rest}": {"get": _authorize_path()},
            "/v1/tokenreview": {"post": _token_review()},
            "/v1/usage": {"get": _usage()},
        },
        "components": {
            "securitySchemes": {
                "bearer": {"type": "http", "scheme": "bearer"},
                "basic": {"type": "http", "scheme": "basic", "description": "Any user name, and the key as password."},
                "apiKey": {"type": "apiKey", "in": "header", "name": "X-Api-Key"},
            }
        },
    }


def _verify() -> dict[str, Any]:
    answer = {
        "valid": {"type": "boolean"},
        "code": _CODE,
        "keyId": _TEXT,
        # Null if it was deleted, or if there is none.
        "organization": _TEXT_OR_NULL,
        "namespace": _TEXT,
        "member": _TEXT,
        "subject": _TEXT_OR_NULL,
        # Null for a narrowed key too, which must not be given the whole role.
        "role": {**_TEXT_OR_NULL, "enum": [*(role.value for role in Role), None]},
        "access": {"type": "string", "enum": ["Full", "View"]},
        "capabilities": {"type": "object", "additionalProperties": _TEXT},
        "expiresAt": {**_TEXT_OR_NULL, "format": "date-time"},
        "at": {"type": "string", "format": "date-time", "description": "When the token was revoked."},
    }
    asked = {"token": _TEXT, "namespace": _TEXT, "organization": _TEXT, "capability": _CAPABILITY, "level": _LEVEL}
    body = {"type": "object", "required": ["token"], "additionalProperties": False, "properties": asked}
    return {
        "summary": "Check a token, and whether it allows what you ask for.",
        "description": "You get fields other than valid and code only if you send a Kubernetes token that may create "
        "organizations/verify in the key's namespace.",
        "security": [{}, {"bearer": []}],
        "requestBody": {"required": True, "content": {"application/json": {"schema": body}}},
        "responses": {
            "200": _json("The answer.", {"type": "object", "required": ["valid"], "properties": answer}),
            **_failures(),
        },
    }


def _authorize() -> dict[str, Any]:
    parameters = [
        {"name": "namespace", "in": "query", "schema": _TEXT},
        {"name": "organization", "in": "query", "schema": _TEXT},
        {"name": "capability", "in": "query", "schema": _CAPABILITY},
        {
            "name": "level",
            "in": "query",
            "schema": _LEVEL,
            "description": "Without a capability, the key must have this level for at least one capability. A key with "
            "spec.capabilities is rejected then.",
        },
    ]
    return _authorization("For nginx auth_request, Envoy ext_authz and Traefik ForwardAuth. Any method.", parameters)


def _authorize_path() -> dict[str, Any]:
    parameters = [
        {"name": "namespace", "in": "path", "required": True, "schema": _TEXT},
        {"name": "capability", "in": "path", "required": True, "schema": _CAPABILITY},
        {"name": "level", "in": "path", "required": True, "schema": _LEVEL_IN_PATH},
        {
            "name": "rest",
            "in": "path",
            "required": True,
            "schema": _TEXT,
            "description": "The path of the request that the proxy checks. Tenure ignores it, and the query too.",
        },
    ]
    return _authorization("For a proxy that appends the path of the request that it checks. Any method.", parameters)


def _authorization(summary: str, parameters: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "summary": summary,
        "security": [{"bearer": []}, {"apiKey": []}, {"basic": []}],
        "parameters": parameters,
        "responses": {
            "200": {"description": "The request may pass. X-Tenure-* headers say whose key it is and what it may do."},
            "401": {"description": "No key, or one that isn't valid."},
            "403": {"description": "The token is valid but doesn't allow this. X-Tenure-Missing says what is missing."},
            **_failures(),
        },
    }


def _token_review() -> dict[str, Any]:
    review = {"type": "object", "description": "A TokenReview of authentication.k8s.io/v1."}
    return {
        "summary": "Webhook token authentication of Kubernetes.",
        "requestBody": {"required": True, "content": {"application/json": {"schema": review}}},
        "responses": {"200": _json("The review with its status.", review), **_failures()},
    }


def _usage() -> dict[str, Any]:
    moment = {"type": "string", "format": "date-time"}
    answer = {
        "recordedSince": {**moment, "description": "When the record of this replica began."},
        "cursor": {**_TEXT, "description": "Send it as since next time, to get only newer uses."},
        "keys": {
            "type": "object",
            "additionalProperties": moment,
            "description": "The minute of the latest use of each key, by the public id of its token.",
        },
    }
    parameters = [
        {"name": "namespace", "in": "query", "schema": _TEXT, "description": "Default: all namespaces."},
        {"name": "since", "in": "query", "schema": _TEXT, "description": "The cursor of an earlier answer."},
    ]
    return {
        "summary": "When keys were last used, as far as this replica knows.",
        "description": "Send a Kubernetes token for the audience tenure-usage that may get organizations/usage in the "
        "namespace. Each replica has its own record.",
        "security": [{"bearer": []}],
        "parameters": parameters,
        "responses": {
            "200": _json("The record.", {"type": "object", "required": [*answer], "properties": answer}),
            "403": {"description": "No Kubernetes token, or one that may not read the record."},
            "404": {"description": "This verifier records no use."},
            **_failures(),
        },
    }


def _failures() -> dict[str, Any]:
    error = {"type": "object", "properties": {"error": _TEXT}}
    return {
        "400": _json("The request is malformed.", error),
        "408": _json("The body took too long to arrive.", error),
        "413": _json("The body is too large.", error),
        "431": _json("Headers, path and query are too large.", error),
        "503": _json("The verifier's data may be too old. Try again.", error),
    }


def _json(description: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"description": description, "content": {"application/json": {"schema": schema}}}
