"""What an object takes in memory, of which there may be 100,000."""

import gc
import json
import tracemalloc

from support.objects.builders import api_key, issued, membership, organization
from tenure.domain.resources import ApiKey

KEYS = 500
BYTES = 3300
"""Of an issued key of a person without any optional field. It is 2,900 with Python 3.13, and was 3,800 without what
`Model` and `SHARED` do."""


def bodies() -> list[str]:
    keys = (issued(api_key(f"key-{number:06}"), membership(), organization()) for number in range(KEYS))
    return [json.dumps(key.model_dump(by_alias=True, mode="json", exclude_none=True)) for key in keys]


def test_a_key_takes_little_memory() -> None:
    texts = bodies()
    gc.collect()
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        keys = [ApiKey.from_body(json.loads(text)) for text in texts]
        gc.collect()
        after, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert (after - before) / len(keys) <= BYTES


def test_keys_of_a_member_share_what_repeats() -> None:
    one, two = (ApiKey.from_body(json.loads(text)) for text in bodies()[:2])
    assert one.status.issued is not None
    assert two.status.issued is not None
    assert one.metadata.namespace is two.metadata.namespace
    assert one.spec.membership is two.spec.membership is two.status.issued.membership
    assert one.status.issued.membership_uid is two.status.issued.membership_uid
    assert one.status.issued.at is two.status.issued.at
    assert one.status.conditions[0].reason is two.status.conditions[0].reason
