"""Wire values become the domain's, unit by unit."""

from __future__ import annotations

from gateway.domain.grants import Origin, SubjectClass
from gateway.domain.instant import from_rfc3339
from gateway.domain.schedule import Tombstone
from gateway.domain.windows import Recurring, Timed, Weekly
from gateway.sync import translate
from gateway.sync.messages import Credential, Gone

CREDENTIAL = """{
  "credential_id": "c1", "version": 4, "kind": "pin", "name": "Ada", "group": "booking-7",
  "subject": {"id": "s1", "class": "staff"}, "origin": "backup", "secret": {"digits": "004711"},
  "devices": ["d2", "d1"], "use": {"limit": 3}, "suspended": true, "held": true,
  "window": {"kind": "recurring", "zone": "Europe/Berlin", "not_before": "2026-11-01T00:00:00Z",
             "rules": [{"weekdays": ["mon", "sun"], "from": "22:15", "to": "06:00"},
                       {"weekdays": ["fri"], "from": "00:00", "to": "24:00"},
                       {"weekdays": ["sat"], "from": "12:00", "to": "00:00"}]}}"""


def test_a_credential() -> None:
    spec = translate.credential(Credential.model_validate_json(CREDENTIAL))
    assert spec.digits.reveal() == "004711"  # leading zeros are digits
    assert spec.devices == ("d2", "d1")
    assert (spec.subject_id, spec.subject_class) == ("s1", SubjectClass.STAFF)
    assert (spec.origin, spec.group, spec.use_limit) == (Origin.BACKUP, "booking-7", 3)
    assert (spec.version, spec.name, spec.suspended, spec.held) == (4, "Ada", True, True)
    assert spec.window == Recurring(
        (
            Weekly(frozenset({1, 7}), 22 * 60 + 15, 6 * 60),
            Weekly(frozenset({5}), 0, 24 * 60),
            Weekly(frozenset({6}), 12 * 60, 24 * 60),
        ),
        "Europe/Berlin",
        from_rfc3339("2026-11-01T00:00:00Z"),
    )


def test_instants_keep_their_milliseconds_and_lose_their_offset() -> None:
    raw = CREDENTIAL[: CREDENTIAL.index('"window"')] + (
        '"window": {"kind": "timed", "opens_at": "2026-11-20T15:00:00.250+01:00",'
        ' "closes_at": "2026-11-20T14:00:01z"}}'
    )
    window = translate.credential(Credential.model_validate_json(raw)).window
    assert window == Timed(
        from_rfc3339("2026-11-20T14:00:00.250Z"), from_rfc3339("2026-11-20T14:00:01Z")
    )


def test_tombstones() -> None:
    assert translate.tombstone(Gone(credential_id="c")) == Tombstone("c")  # type: ignore[arg-type]  # a plain str will do
    assert translate.tombstone(Gone(credential_id="c", device_id="d")).device_id == "d"
