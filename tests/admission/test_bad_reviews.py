"""Reviews that the API server would never send, posted to the listener: answered with 4xx, or denied.

A row's number is that of the table of bad inputs. Each starts from a review that is let in.
"""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

import pytest

from support.api.client import fresh_namespace
from support.api.review import ABSENT, Door, review
from support.cases.bad_reviews import (
    CANARY,
    DENIED,
    DEPTH,
    Row,
    asked,
    check_refused,
    edited,
    made_of,
    objects,
    text,
    top,
    with_metadata,
    with_spec,
)
from support.objects import manifests

if TYPE_CHECKING:
    from admission.conftest import Judged

BODIES = {
    "B-51 empty body": text(b""),
    "B-51 one brace": text(b"{"),
    "B-51 list": text(b"[]"),
    "B-51 null": text(b"null"),
    "B-51 text": text(b'"x"'),
    "B-51 number": text(b"5"),
    "B-51 empty object": text(b"{}"),
    "B-51 lists 100,000 deep": text(b"[" * DEPTH),
    "B-51 closed lists 100,000 deep": text(b"[" * DEPTH + b"]" * DEPTH),
    "B-51 objects 100,000 deep": text(b'{"a":' * DEPTH + b"1" + b"}" * DEPTH),
    "B-51 object 100,000 deep in a good review": edited(
        lambda good: good.replace('"role": "Viewer"', '"role": ' + "[" * DEPTH + "]" * DEPTH)
    ),
    "B-51 bad UTF-8": text(b"\xff\xfe"),
    "B-51 bad UTF-8 in a good review": edited(lambda good: good.replace("Viewer", "\xff").encode("latin-1")),
    "B-51 NUL bytes": text(b"\x00" * 64),
    "B-51 good review cut in half": edited(lambda good: good[: len(good) // 2]),
    "B-51 good review and more": edited(lambda good: good + "{}"),
    "B-51 two good reviews in a list": edited(lambda good: f"[{good},{good}]"),
    "B-51 number of 5,000 digits": edited(lambda good: good.replace('"generation": 1', f'"generation": {"9" * 5000}')),
    "B-51 YAML": text(b"apiVersion: admission.k8s.io/v1\nkind: AdmissionReview\n"),
}

FIELDS = {
    "B-53 no request": top(request=ABSENT),
    "B-53 request null": top(request=None),
    "B-53 request a list": top(request=[]),
    "B-53 request a text": top(request="x"),
    **{
        f"B-53 {field} {what}": asked(400, **{field: value})
        for field in ("uid", "userInfo", "operation", "resource", "namespace")
        for what, value in {"left out": ABSENT, "null": None, "a number": 5, "a list": [], "a text": ""}.items()
    },
    "B-53 no username": asked(userInfo={}),
    "B-53 username null": asked(userInfo={"username": None}),
    "B-53 groups a text": asked(userInfo={"username": "admin", "groups": "system:masters"}),
    "B-53 extra a list": asked(userInfo={"username": "admin", "extra": ["x"]}),
    "B-53 uid of 129 characters": asked(uid="u" * 129),
    "B-53 resource without a group": asked(resource={"version": "v1alpha1", "resource": "memberships"}),
    "B-53 dryRun a list": asked(dryRun=[]),
    "B-58 CONNECT": asked(operation="CONNECT"),
    "B-58 lower case": asked(operation="create"),
    "B-58 anything": asked(operation="*"),
    "B-58 list of operations": asked(operation=["CREATE"]),
    "B-62 v1beta1": top(apiVersion="admission.k8s.io/v1beta1"),
    "B-62 v2": top(apiVersion="admission.k8s.io/v2"),
    "B-62 no version": top(apiVersion=ABSENT),
    "B-62 another kind": top(kind="AdmissionReviewList"),
    "B-62 no kind": top(kind=ABSENT),
}

OBJECTS = {
    "B-54 object a list": asked(object=[]),
    "B-54 object a text": asked(object=CANARY),
    "B-54 object a number": asked(object=5),
    "B-54 object a truth value": asked(object=True),
    "B-54 empty object": asked(DENIED, object={}),
    "B-54 spec a text": made_of(spec=CANARY),
    "B-54 spec a list": made_of(spec=[CANARY]),
    "B-54 spec null": made_of(spec=None),
    "B-54 no spec": made_of(spec=ABSENT),
    "B-54 status a text": made_of(status=CANARY),
    "B-54 metadata a text": made_of(metadata=CANARY),
    "B-54 metadata a list": made_of(metadata=[CANARY]),
    "B-54 metadata null": made_of(metadata=None),
    "B-54 no metadata": made_of(metadata=ABSENT),
    "B-54 name a number": with_metadata(name=5),
    "B-54 name a list": with_metadata(name=[CANARY]),
    "B-54 no name": with_metadata(name=ABSENT),
    "B-54 generation a text": with_metadata(generation=CANARY),
    "B-54 creationTimestamp a text": with_metadata(creationTimestamp=CANARY),
    "B-54 managedFields a text": with_metadata(managedFields=CANARY),
    "B-54 managedFields of texts": with_metadata(managedFields=[CANARY]),
    "B-54 labels a list": with_metadata(labels=[CANARY]),
    "B-54 labels a number": with_metadata(labels=5),
    "B-54 annotations a text": with_metadata(annotations=CANARY),
    "B-54 annotations a number": with_metadata(annotations=5),
    "B-54 role unknown": with_spec(role=CANARY),
    "B-54 role left out": with_spec(role=ABSENT),
    "B-54 role a list": with_spec(role=["Viewer"]),
    "B-54 subject a text": with_spec(subject=CANARY),
    "B-54 organization a list": with_spec(organization=[CANARY]),
    "B-54 organization up a folder": with_spec(organization="../../../../api/v1/namespaces/default/secrets/x"),
    "B-55 CREATE of nothing": objects("CREATE", new=False, old=False),
    "B-55 UPDATE of nothing": objects("UPDATE", new=False, old=False),
    "B-55 DELETE of nothing": objects("DELETE", new=False, old=False),
    "B-55 CREATE with an old object": objects("CREATE", new=True, old=True),
    "B-55 UPDATE without the old object": objects("UPDATE", new=True, old=False),
    "B-55 UPDATE without the new object": objects("UPDATE", new=False, old=True),
    "B-55 DELETE with a new object": objects("DELETE", new=True, old=True),
    "B-59 subResource status": asked(DENIED, subResource="status"),
    "B-59 subResource scale": asked(DENIED, subResource="scale"),
    "B-59 subResource unknown": asked(DENIED, subResource="x"),
}

ROWS: Mapping[str, Row] = {**BODIES, **FIELDS, **OBJECTS}


@pytest.fixture(scope="module")
def door(judged: "Judged") -> Door:
    """Give the listener of the judged control plane."""
    return Door(judged.plane, judged.port)


@pytest.fixture(scope="module")
def namespace(judged: "Judged") -> Iterator[str]:
    """Give a namespace with an organization in it."""
    with fresh_namespace(judged.plane) as client:
        client.create("organizations", manifests.organization())
        yield client.namespace


def test_the_review_that_every_row_starts_from_is_let_in(door: Door, namespace: str) -> None:
    good = review(namespace)
    reply = door.post(good)
    assert reply.status == 200
    assert reply.response["uid"] == good["request"]["uid"]
    assert reply.lets_in


@pytest.mark.parametrize("row", [pytest.param(row, id=name) for name, row in ROWS.items()])
def test_a_bad_review_is_refused_and_the_next_one_is_served(
    judged: "Judged", door: Door, namespace: str, row: Row
) -> None:
    check_refused(row, judged.webhook, door, namespace)


def test_of_an_unexpected_error_nothing_is_repeated_but_an_incident_that_the_log_knows(
    judged: "Judged", door: Door, namespace: str
) -> None:
    """B-61."""
    seen = len(judged.webhook.log)
    reply = with_metadata(managedFields=[{"fieldsV1": CANARY}]).send(door, namespace)
    message = str(reply.response["status"]["message"])
    said, _, incident = message.rpartition(" ")
    assert said == "Rejected: unexpected error in Tenure. See the webhook's log for incident"
    assert reply.response["status"]["code"] == 403
    assert CANARY not in reply.body.decode()
    assert f"Incident {incident}: " in judged.webhook.log[seen:]
    assert "Traceback" in judged.webhook.log[seen:]
    assert door.post(review(namespace)).lets_in
