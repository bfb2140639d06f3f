"""The numbers and names of `zwave_lock.wire` and `.schedules`, held against Z-Wave JS itself.

Origin: the enumerations, the registry of notifications and the value definitions of the packages
that the simulator (and a site) installs, asked by Node; skipped where those are not installed.
"""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from gateway.drivers.zwave_lock import wire
from gateway.drivers.zwave_lock.schedules import FIELDS, NAMES, Kind
from gateway.drivers.zwave_lock.wire import (
    Access,
    Log,
    Maintenance,
    Mode,
    Result,
    Security,
    UserStatus,
)

ROOT = Path(__file__).parents[2]
HOMES = (ROOT / "firmware-sims" / "zwave", ROOT / "gateway" / "radios" / "zwave" / "server")
ASK = """
import * as cc from "@zwave-js/cc";
import * as core from "@zwave-js/core";
import { SetUserResult, SetCredentialResult } from "zwave-js/Node";
const notifications = Object.fromEntries([6, 7, 8].map((type) => {
  const found = core.getNotification(type);
  const states = found.variables.flatMap((variable) =>
    [...variable.states].map(([value, state]) => [value, [state.label, variable.name]]));
  const events = [...found.events].map(([value, event]) => [value, [event.label, null]]);
  return [type, { name: found.name, values: Object.fromEntries([...states, ...events]) }];
}));
const values = {
  schedule: cc.ScheduleEntryLockCCValues.schedule(2, 7, 3).id,
  user: cc.UserCredentialCCValues.userModifierType(7).id,
  modifier: cc.UserCredentialCCValues.credentialModifierType(1, 7).id,
  owner: cc.UserCredentialCCValues.credentialOwner(1, 7).id,
  capabilities: cc.UserCredentialCCValues.credentialCapabilities(1).id,
  mode: cc.DoorLockCCValues.currentMode.id,
  door: cc.DoorLockCCValues.doorStatus.id,
  level: cc.BatteryCCValues.level.id,
  low: cc.BatteryCCValues.rechargeOrReplace.id,
};
const methods = {};
for (const name of ["UserCode", "ScheduleEntryLock", "DoorLock", "DoorLockLogging",
  "UserCredential", "Notification", "Battery", "TimeParameters", "Time", "Configuration"]) {
  const found = await import(`@zwave-js/cc/${name}CC`);
  methods[`${name}CCAPI`] = Object.getOwnPropertyNames(found[`${name}CCAPI`].prototype);
}
console.log(JSON.stringify({
  notifications, values, SetUserResult, SetCredentialResult,
  classes: core.CommandClasses, status: cc.UserIDStatus, mode: cc.DoorLockMode,
  credential: cc.UserCredentialType, user: cc.UserCredentialUserType,
  modifier: cc.UserCredentialModifierType,
  log: cc.DoorLockLoggingEventType, kind: cc.ScheduleEntryLockScheduleKind,
  weekday: cc.ScheduleEntryLockWeekday,
  methods,
}));
"""


@pytest.fixture(scope="module")
def library() -> dict[str, Any]:
    home = next((home for home in HOMES if (home / "node_modules" / "zwave-js").is_dir()), None)
    node = shutil.which("node")
    if home is None or node is None:
        pytest.skip("Node or the packages of Z-Wave JS are not installed (tools/setup.sh)")
    told = subprocess.run(
        [node, "--input-type=module", "--eval", ASK],
        cwd=home,
        capture_output=True,
        check=True,
        timeout=60,
    )
    found: dict[str, Any] = json.loads(told.stdout)
    return found


def test_command_classes(library: dict[str, Any]) -> None:
    for name, number in {
        "Schedule Entry Lock": wire.SCHEDULES,
        "Door Lock Logging": wire.LOGGING,
        "Door Lock": wire.DOOR_LOCK,
        "User Code": wire.USER_CODE,
        "Configuration": wire.CONFIGURATION,
        "Notification": wire.NOTIFICATION,
        "Battery": wire.BATTERY,
        "User Credential": wire.USER_CREDENTIAL,
        "Time": wire.TIME,
        "Time Parameters": wire.TIME_PARAMETERS,
    }.items():
        assert library["classes"][name] == number, name


def test_statuses_modes_and_results(library: dict[str, Any]) -> None:
    status = library["status"]
    assert status["Available"] == UserStatus.AVAILABLE
    assert status["Enabled"] == UserStatus.ENABLED
    assert status["Disabled"] == UserStatus.DISABLED
    assert status["Messaging"] == UserStatus.MESSAGING
    assert status["PassageMode"] == UserStatus.PASSAGE_MODE
    assert status["StatusNotAvailable"] == UserStatus.NOT_AVAILABLE
    mode = library["mode"]
    assert (mode["Unsecured"], mode["Secured"]) == (Mode.UNSECURED, Mode.SECURED)
    assert mode["Unknown"] == Mode.UNKNOWN
    assert library["credential"]["PINCode"] == wire.CREDENTIAL_PIN
    assert library["user"]["General"] == wire.GENERAL_USER
    assert library["modifier"]["DoesNotExist"] == wire.NOBODY
    for results in (library["SetUserResult"], library["SetCredentialResult"]):
        assert results["OK"] == Result.OK
        assert results["Error_AddRejectedLocationOccupied"] == Result.OCCUPIED
        assert results["Error_ModifyRejectedLocationEmpty"] == Result.EMPTY
        assert results["Error_Unknown"] == Result.UNKNOWN
    results = library["SetCredentialResult"]
    assert results["Error_DuplicateCredential"] == Result.DUPLICATE
    assert results["Error_ManufacturerSecurityRules"] == Result.SECURITY_RULES
    assert results["Error_DuplicateAdminPINCode"] == Result.DUPLICATE_ADMIN
    assert results["Error_WrongUserUniqueIdentifier"] == Result.WRONG_USER


ACCESS_LABELS = {
    Access.MANUAL_LOCK: "Manual lock operation",
    Access.MANUAL_UNLOCK: "Manual unlock operation",
    Access.RF_LOCK: "RF lock operation",
    Access.RF_UNLOCK: "RF unlock operation",
    Access.KEYPAD_LOCK: "Keypad lock operation",
    Access.KEYPAD_UNLOCK: "Keypad unlock operation",
    Access.MANUAL_NOT_FULLY: "Manual not fully locked operation",
    Access.RF_NOT_FULLY: "RF not fully locked operation",
    Access.AUTO_LOCK: "Auto lock locked operation",
    Access.AUTO_NOT_FULLY: "Auto lock not fully locked operation",
    Access.JAMMED: "Lock jammed",
    Access.ALL_CODES_DELETED: "All user codes deleted",
    Access.CODE_DELETED: "Single user code deleted",
    Access.CODE_ADDED: "New user code added",
    Access.CODE_DUPLICATE: "New user code not added due to duplicate code",
    Access.KEYPAD_DISABLED: "Keypad temporary disabled",
    Access.CODE_LIMIT: "Manually enter user access code exceeds code limit",
    Access.RF_UNLOCK_WRONG: "Unlock by RF with invalid user code",
    Access.RF_LOCK_WRONG: "Locked by RF with invalid user code",
    Access.DOOR_OPEN: "Window/door is open",
    Access.DOOR_CLOSED: "Window/door is closed",
    Access.CREDENTIAL_LOCK: "Credential lock/open operation",
    Access.CREDENTIAL_UNLOCK: "Credential unlock/close operation",
    Access.DENIED_DISABLED: (
        "Valid credential access denied: User Active State set to Occupied Disabled"
    ),
    Access.DENIED_SCHEDULE: "Valid credential access denied: Schedule inactive",
    Access.DENIED_TOO_FEW: "Valid credential access denied: Not enough credentials entered",
    Access.DENIED_INVALID: "Invalid credential used",
    Access.NON_ACCESS: "Non-Access credential entered via local interface",
}
SECURITY_LABELS = {
    Security.INTRUSION_PLACE: "Intrusion (location provided)",
    Security.INTRUSION: "Intrusion",
    Security.COVER_REMOVED: "Tampering, product cover removed",
    Security.INVALID_CODE: "Tampering, invalid code",
    Security.MOVED: "Tampering, product moved",
}


def test_every_event_has_its_number(library: dict[str, Any]) -> None:
    def labels(kind: int) -> dict[str, str]:
        return {n: label for n, (label, _) in library["notifications"][str(kind)]["values"].items()}

    access = labels(wire.ACCESS_CONTROL)
    assert set(ACCESS_LABELS) == set(Access) - {Access.IDLE}
    assert {n: access[str(int(n))] for n in ACCESS_LABELS} == ACCESS_LABELS
    security = labels(wire.HOME_SECURITY)
    assert set(SECURITY_LABELS) == set(Security)
    assert {n: security[str(int(n))] for n in SECURITY_LABELS} == SECURITY_LABELS
    power = labels(wire.POWER)
    assert power[str(int(Maintenance.REPLACE_SOON))] == "Replace battery soon"
    assert power[str(int(Maintenance.REPLACE_NOW))] == "Replace battery now"


def test_states_stand_in_the_values_that_are_listened_to(library: dict[str, Any]) -> None:
    told = library["notifications"]
    assert told["6"]["name"] == wire.ACCESS_VALUES
    assert told["7"]["name"] == wire.SECURITY_VALUES
    assert told["8"]["name"] == wire.POWER_VALUES
    access = told["6"]["values"]
    assert access[str(int(Access.JAMMED))][1] == wire.LOCK_STATE
    assert access[str(int(Access.KEYPAD_DISABLED))][1] == wire.KEYPAD_STATE
    assert access[str(int(Access.DOOR_OPEN))][1] == wire.DOOR_STATE
    assert access[str(int(Access.KEYPAD_UNLOCK))][1] is None
    assert told["8"]["values"][str(int(Maintenance.REPLACE_NOW))][1] == wire.BATTERY_STATE


def test_records_of_the_log(library: dict[str, Any]) -> None:
    log = library["log"]
    assert {
        "LockCode": Log.LOCK_CODE,
        "UnlockCode": Log.UNLOCK_CODE,
        "LockButton": Log.LOCK_BUTTON,
        "UnlockButton": Log.UNLOCK_BUTTON,
        "LockCodeOutOfSchedule": Log.LOCK_OUT_OF_SCHEDULE,
        "UnlockCodeOutOfSchedule": Log.UNLOCK_OUT_OF_SCHEDULE,
        "IllegalCode": Log.ILLEGAL_CODE,
        "LockManual": Log.LOCK_MANUAL,
        "UnlockManual": Log.UNLOCK_MANUAL,
        "LockAuto": Log.LOCK_AUTO,
        "UnlockAuto": Log.UNLOCK_AUTO,
        "LockRemoteCode": Log.LOCK_REMOTE_CODE,
        "UnlockRemoteCode": Log.UNLOCK_REMOTE_CODE,
        "LockRemote": Log.LOCK_REMOTE,
        "UnlockRemote": Log.UNLOCK_REMOTE,
        "LockRemoteCodeOutOfSchedule": Log.LOCK_REMOTE_OUT_OF_SCHEDULE,
        "UnlockRemoteCodeOutOfSchedule": Log.UNLOCK_REMOTE_OUT_OF_SCHEDULE,
        "RemoteIllegalCode": Log.REMOTE_ILLEGAL_CODE,
        "LockManual2": Log.LOCK_MANUAL_2,
        "UnlockManual2": Log.UNLOCK_MANUAL_2,
        "LockSecured": Log.SECURED,
        "LockUnsecured": Log.UNSECURED,
        "UserCodeAdded": Log.CODE_ADDED,
        "UserCodeDeleted": Log.CODE_DELETED,
        "AllUserCodesDeleted": Log.ALL_CODES_DELETED,
        "UserCodeChanged": Log.CODE_CHANGED,
        "LockReset": Log.RESET,
        "LowBattery": Log.LOW_BATTERY,
        "NewBattery": Log.NEW_BATTERY,
    }.items() <= log.items()
    assert {int(each) for each in Log} <= {v for v in log.values() if isinstance(v, int)}


def test_schedules(library: dict[str, Any]) -> None:
    kinds, days = library["kind"], library["weekday"]
    assert kinds["WeekDay"] == Kind.WEEK_DAY.value
    assert kinds["YearDay"] == Kind.YEAR_DAY.value
    assert kinds["DailyRepeating"] == Kind.DAILY.value
    assert (days["Sunday"], days["Monday"], days["Saturday"]) == (0, 1, 6)
    methods = library["methods"]["ScheduleEntryLockCCAPI"]
    for kind in Kind:
        assert {f"get{NAMES[kind]}", f"set{NAMES[kind]}"} <= set(methods)
        assert len(set(FIELDS[kind])) == len(FIELDS[kind])


@pytest.mark.parametrize(
    ("api", "methods"),
    [
        ("UserCodeCCAPI", {"get", "set", "clear", "getUsersCount", "getCapabilities"}),
        ("ScheduleEntryLockCCAPI", {"setEnabled", "getNumSlots", "getTimezone", "setTimezone"}),
        ("DoorLockCCAPI", {"get", "set", "getCapabilities"}),
        ("DoorLockLoggingCCAPI", {"getRecordsCount", "getRecord"}),
        ("UserCredentialCCAPI", {"getUser", "getCredential"}),
        ("NotificationCCAPI", {"getSupportedEvents"}),
        ("BatteryCCAPI", {"get"}),
        ("TimeParametersCCAPI", {"get"}),
        ("TimeCCAPI", {"getTime", "getDate", "getTimezone"}),
        ("ConfigurationCCAPI", {"get", "set"}),
    ],
)
def test_methods_exist(library: dict[str, Any], api: str, methods: set[str]) -> None:
    assert methods <= set(library["methods"][api])


def test_values_by_name(library: dict[str, Any]) -> None:
    values = library["values"]
    assert values["schedule"] == {
        "commandClass": wire.SCHEDULES,
        "property": "schedule",
        "propertyKey": Kind.DAILY.value << 16 | 7 << 8 | 3,
    }
    credential = {"commandClass": wire.USER_CREDENTIAL}
    assert values["user"] == {**credential, "property": "userModifierType", "propertyKey": 7}
    key = wire.CREDENTIAL_PIN << 16 | 7
    assert values["owner"] == {**credential, "property": "credentialOwner", "propertyKey": key}
    assert values["modifier"] == {
        **credential,
        "property": "credentialModifierType",
        "propertyKey": key,
    }
    assert values["capabilities"] == {
        **credential,
        "property": "credentialCapabilities",
        "propertyKey": wire.CREDENTIAL_PIN,
    }
    assert values["mode"] == {"commandClass": wire.DOOR_LOCK, "property": "currentMode"}
    assert values["door"] == {"commandClass": wire.DOOR_LOCK, "property": "doorStatus"}
    assert values["level"] == {"commandClass": wire.BATTERY, "property": "level"}
    assert values["low"] == {"commandClass": wire.BATTERY, "property": "rechargeOrReplace"}
