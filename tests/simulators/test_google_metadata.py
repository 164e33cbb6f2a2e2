"""The metadata server: what it says of a VM, in which form, to whom, and when: at once, or as soon as it changes."""

import threading
from concurrent.futures import ThreadPoolExecutor, wait
from datetime import timedelta

import pytest

from stormcone.clock import SystemClock
from stormcone.errors import SettingsError
from stormcone.model import Impact
from stormcone.simulators.contract import SimulatorOptions
from stormcone_simulators.google import GoogleSimulator

ROOT = "/computeMetadata/v1"
FLAVOR = {"Metadata-Flavor": "Google"}
UPCOMING = "instance/upcoming-maintenance"
HOUR = timedelta(hours=1)
QUIET = 0.2


@pytest.fixture
def get(google, asking):
    def get(key, *, name="web-0", simulator=google, headers=FLAVOR, method="GET"):
        return asking(simulator.urls()[name], method, f"{ROOT}/{key}", headers=headers)

    return get


class TestEveryRequest:
    @pytest.mark.parametrize("headers", [{}, {"Metadata-Flavor": "Microsoft"}])
    def test_needs_the_header(self, get, headers):
        answer = get("instance/id", headers=headers)
        assert answer.status == 403
        assert b"Metadata-Flavor" in answer.body

    def test_must_not_have_come_through_a_proxy(self, get):
        assert get("instance/id", headers={**FLAVOR, "X-Forwarded-For": "10.0.0.1"}).status == 403

    @pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
    def test_only_reads(self, get, method):
        assert get("instance/id", method=method).status == 405

    @pytest.mark.parametrize("key", ["instance/id", "instance/", "nothing", "instance/upcoming-maintenance"])
    def test_is_answered_as_googles_server_does(self, get, key):
        assert get(key).headers["metadata-flavor"] == "Google"

    @pytest.mark.parametrize(
        "query",
        [
            "colour=red",
            "recursive=maybe",
            "alt=xml",
            "timeout_sec=soon",
            "timeout_sec=-1",
            "wait_for_change=perhaps",
            "alt=json&alt=text",
        ],
    )
    def test_that_says_what_there_is_not_is_refused(self, get, query):
        assert get(f"instance/id?{query}").status == 400

    def test_to_the_root_is_answered_without_the_header_too(self, google, asking):
        answer = asking(google.url, "GET", "/")
        assert (answer.status, answer.headers["metadata-flavor"]) == (200, "Google")


class TestValues:
    @pytest.mark.parametrize(
        ("key", "value"),
        [
            ("instance/name", b"web-1"),
            ("instance/hostname", b"web-1.us-central1-a.c.stormcone-project.internal"),
            ("instance/maintenance-event", b"NONE"),
            ("instance/preempted", b"FALSE"),
            ("instance/scheduling/on-host-maintenance", b"MIGRATE"),
            ("instance/scheduling/automatic-restart", b"TRUE"),
            ("instance/scheduling/preemptible", b"FALSE"),
            ("instance/network-interfaces/0/ip", b"10.128.0.3"),
            ("project/project-id", b"stormcone-project"),
        ],
    )
    def test_a_vm_learns_of_itself(self, get, key, value):
        assert (get(key, name="web-1").status, get(key, name="web-1").body) == (200, value)

    def test_ids_are_numbers_that_stay(self, get, googles):
        first, second = get("instance/id").body, get("instance/id", name="web-1").body
        assert first.isdigit()
        assert first != second
        assert get("instance/id", simulator=googles()).body == first

    def test_a_zone_is_a_path(self, get):
        assert get("instance/zone").body.decode().rpartition("/")[::2] == (
            f"projects/{get('project/numeric-project-id').body.decode()}/zones",
            "us-central1-a",
        )

    def test_what_is_not_there_is_not_found(self, get):
        assert get("instance/no-such-key").status == 404
        assert get("instance/id/deeper").status == 404


class TestForms:
    def test_a_folder_lists_what_is_below_it(self, get):
        assert get("instance/scheduling/").body == b"automatic-restart\non-host-maintenance\npreemptible\n"
        assert get("").body == b"instance/\nproject/\n"

    def test_a_folder_without_its_slash_is_elsewhere(self, get):
        answer = get("instance/scheduling")
        assert (answer.status, answer.headers["location"]) == (301, f"{ROOT}/instance/scheduling/")

    def test_recursively_it_is_json_in_camel_case(self, get):
        told = get("instance/scheduling/?recursive=true").json
        assert told == {"automaticRestart": "TRUE", "onHostMaintenance": "MIGRATE", "preemptible": "FALSE"}
        whole = get("?recursive=True&alt=json").json
        assert whole["instance"]["scheduling"] == told
        assert whole["instance"]["id"] == int(get("instance/id").body)
        assert whole["project"]["projectId"] == "stormcone-project"
        assert whole["instance"]["networkInterfaces"][0]["ip"] == "10.128.0.2"

    def test_recursively_as_text_each_value_has_a_line(self, get):
        assert b"scheduling/preemptible FALSE\n" in get("instance/?recursive=true&alt=text").body

    def test_a_value_may_be_json(self, get):
        assert get("instance/name?alt=json").json == "web-0"

    def test_tokens_stand_in_no_document(self, get):
        assert b"access_token" not in get("?recursive=true").body
        token = get("instance/service-accounts/default/token").json
        assert (token["token_type"], token["expires_in"]) == ("Bearer", 3600)

    def test_an_accounts_address_is_its_name(self, get):
        email = get("instance/service-accounts/default/email").body.decode()
        assert list(get("instance/service-accounts/?recursive=true").json) == ["default", email]
        assert get(f"instance/service-accounts/{email}/scopes").body.splitlines() == [
            b"https://www.googleapis.com/auth/cloud-platform"
        ]

    def test_identity_tokens_are_refused(self, get):
        assert get("instance/service-accounts/default/identity?audience=x").status == 404


class TestWhatIsAnnounced:
    def test_maintenance_is_one_word_until_it_is_over(self, google, get):
        event = google.schedule(Impact.FREEZE, resources=["web-0"])
        assert get("instance/maintenance-event").body == b"MIGRATE_ON_HOST_MAINTENANCE"
        assert get("instance/maintenance-event", name="web-1").body == b"NONE"
        google.complete(event)
        assert get("instance/maintenance-event").body == b"NONE"

    def test_a_vm_that_is_taken_away_is_told(self, google, get):
        google.schedule(Impact.TERMINATE, resources=["web-0"])
        assert get("instance/preempted").body == b"TRUE"
        assert get("instance/scheduling/preemptible").body == b"TRUE"

    @pytest.mark.parametrize(
        ("spelling", "name"),
        [("snake", "can_reschedule"), ("camel", "canReschedule"), ("kebab", "can-reschedule")],
    )
    def test_a_window_is_told_in_each_spelling(self, googles, get, spelling, name):
        google = googles(spelling=spelling)
        google.schedule(Impact.REBOOT, resources=["web-0"], notice=HOUR, duration=timedelta(minutes=5))
        told = get(f"{UPCOMING}?recursive=true&alt=json", simulator=google).json
        assert told[name] == "true"
        if spelling == "snake":
            assert told == {
                "can_reschedule": "true",
                "latest_window_start_time": "2026-01-02T01:00:00Z",
                "maintenance_reasons": ["PLANNED_UPDATE"],
                "maintenance_status": "PENDING",
                "type": "SCHEDULED",
                "window_end_time": "2026-01-01T01:05:00Z",
                "window_start_time": "2026-01-01T01:00:00Z",
            }

    def test_a_window_has_leaves_of_its_own(self, google, get):
        google.schedule(Impact.REBOOT, resources=["web-0"], notice=HOUR)
        assert get(f"{UPCOMING}/window-start-time").body == b"2026-01-01T01:00:00Z"
        assert get(f"{UPCOMING}/can-reschedule").body == b"TRUE"

    @pytest.mark.parametrize(
        ("nothing", "status", "body"),
        [
            ("none", 200, b"NONE"),
            ("empty", 200, b"{}"),
            ("null", 200, b"null"),
            ("unavailable", 503, b'{ "error": "no notifications have been received yet, try again later" }'),
            ("unsupported", 404, None),
        ],
    )
    def test_nothing_is_told_in_five_ways(self, googles, get, nothing, status, body):
        answer = get(UPCOMING, simulator=googles(nothing=nothing))
        assert answer.status == status
        assert body in {None, answer.body}

    @pytest.mark.parametrize("setting", ["spelling", "nothing"])
    def test_an_unknown_way_is_refused(self, setting):
        with pytest.raises(SettingsError, match=f"the setting {setting} is "):
            GoogleSimulator.from_options(SimulatorOptions(settings={setting: "odd"}))


class TestWaiting:
    """`wait_for_change`: real threads wait, the manual clock and the test's own calls end it."""

    @pytest.fixture
    def waits(self, get):
        with ThreadPoolExecutor(8) as beside:
            yield lambda key, **more: beside.submit(get, key, **more)

    @staticmethod
    def still(future):
        return not wait([future], QUIET).done

    def test_answers_at_once_where_the_etag_is_another(self, get):
        assert get("instance/preempted?wait_for_change=true&last_etag=0").body == b"FALSE"

    def test_has_an_etag_for_every_key_that_says_what_it_is(self, google, get):
        keys = [
            "instance/",
            "instance/?recursive=true",
            "instance/preempted",
            "instance/name",
            "",
            "project/project-id",
        ]
        before = {key: get(key).headers["etag"] for key in keys}
        assert {key: get(key).headers["etag"] for key in keys} == before
        google.schedule(Impact.TERMINATE, resources=["web-0"])
        changed = {key for key in keys if get(key).headers["etag"] != before[key]}
        assert changed == {"instance/?recursive=true", "instance/preempted"}

    @pytest.mark.parametrize("key", ["instance/maintenance-event", "instance/", "", "instance/scheduling/"])
    def test_ends_as_soon_as_something_below_the_key_changes(self, google, get, waits, key):
        etag = get(f"{key}?recursive=true").headers["etag"]
        future = waits(f"{key}?recursive=true&wait_for_change=true&last_etag={etag}")
        assert self.still(future)
        google.schedule(Impact.REBOOT, resources=["web-0"])
        answer = future.result(20)
        assert (answer.status, answer.headers["etag"] != etag) == (200, True)

    def test_needs_no_etag_to_begin_with(self, google, waits):
        future = waits("instance/preempted?wait_for_change=true")
        assert self.still(future)
        google.schedule(Impact.TERMINATE, resources=["web-0"])
        assert future.result(20).body == b"TRUE"

    def test_ends_with_what_is_known_once_its_time_is_up(self, google, get, waits, clock):
        etag = get("instance/preempted").headers["etag"]
        future = waits(f"instance/preempted?wait_for_change=true&last_etag={etag}&timeout_sec=60")
        passed = 0
        while not wait([future], 0.01).done:
            clock.advance(seconds=1)
            passed += 1
        answer = future.result()
        assert passed >= 60
        assert (answer.body, answer.headers["etag"]) == (b"FALSE", etag)

    def test_ends_when_the_clock_brings_a_change(self, google, get, waits, clock):
        google.schedule(Impact.FREEZE, resources=["web-0"], notice=HOUR)
        etag = get(f"{UPCOMING}?recursive=true").headers["etag"]
        future = waits(f"{UPCOMING}?recursive=true&wait_for_change=true&last_etag={etag}")
        assert self.still(future)
        clock.advance(hours=1)
        assert future.result(20).json["maintenance_status"] == "ONGOING"

    def test_does_not_end_for_another_vm(self, google, get, waits):
        future = waits("instance/preempted?wait_for_change=true", name="web-1")
        google.schedule(Impact.TERMINATE, resources=["web-0"])
        assert self.still(future)
        google.close()

    def test_moves_no_clock(self, google, waits, clock):
        future = waits("instance/preempted?wait_for_change=true&timeout_sec=60")
        assert self.still(future)
        assert clock.expected is None
        google.close()

    def test_holds_up_nobody_else_and_no_end(self, google, get, waits):
        futures = [waits("instance/preempted?wait_for_change=true") for _ in range(4)]
        assert get("instance/preempted").body == b"FALSE"
        google.close()
        assert all(future.exception(20) for future in futures)

    def test_goes_by_the_real_time_where_the_clock_does(self, asking):
        with GoogleSimulator(["web-0"], clock=SystemClock(speed=600)) as google:
            google.schedule(Impact.FREEZE, resources=["web-0"], notice=timedelta(minutes=2), started_for=HOUR)
            known = asking(google.url, "GET", f"{ROOT}/{UPCOMING}?recursive=true", headers=FLAVOR)
            path = f"{ROOT}/{UPCOMING}?recursive=true&wait_for_change=true&last_etag={known.headers['etag']}"
            told = asking(google.url, "GET", path, headers=FLAVOR).json
        assert told["maintenance_status"] == "ONGOING"


class TestFailing:
    @pytest.mark.parametrize("status", [403, 404, 429, 500, 503])
    def test_is_a_page_of_that_status(self, google, get, status):
        google.faults.add(status=status)
        answer = get("instance/id")
        assert (answer.status, answer.headers["content-type"]) == (status, "text/html; charset=UTF-8")

    def test_may_be_of_one_key_only(self, google, get):
        google.faults.add(status=500, path=f"{ROOT}/instance/preempted")
        assert [get(f"instance/{key}").status for key in ("preempted", "maintenance-event")] == [500, 200]

    def test_is_not_taken_for_nothing_scheduled(self, google, get):
        google.faults.add(status=503, path=f"{ROOT}/{UPCOMING}")
        assert b"no notifications" not in get(UPCOMING).body


def test_many_who_wait_are_all_told(google, get):
    said, begun = [], threading.Barrier(17)

    def listen():
        begun.wait(20)
        said.append(get("instance/preempted?wait_for_change=true&last_etag=" + etag).body)

    etag = get("instance/preempted").headers["etag"]
    threads = [threading.Thread(target=listen) for _ in range(16)]
    for thread in threads:
        thread.start()
    begun.wait(20)
    google.schedule(Impact.TERMINATE, resources=["web-0"])
    for thread in threads:
        thread.join(20)
    assert said == 16 * [b"TRUE"]
