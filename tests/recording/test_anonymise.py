"""An anonymised trace names nobody, and is as good to replay as any other."""

import json
import re
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stormcone import Impact
from stormcone.clouds.trace import TraceRules
from stormcone.recording import Recorder, read_trace
from stormcone.recording.anonymise import Anonymiser
from stormcone.recording.bodies import UNREADABLE
from stormcone_azure.trace import RULES

GUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)


@pytest.fixture
def anonymiser():
    return Anonymiser(RULES, b"salt")


class TestAPseudonym:
    def test_is_the_same_for_the_same_name_in_one_trace(self, anonymiser):
        assert anonymiser.name("web-0") == anonymiser.name("web-0") != anonymiser.name("web-1")

    def test_is_another_one_in_another_trace(self):
        assert Anonymiser(RULES).name("web-0") != Anonymiser(RULES).name("web-0")

    def test_knows_no_case_but_keeps_it(self, anonymiser):
        lower, upper = anonymiser.name("web-zero"), anonymiser.name("WEB-ZERO")
        assert (lower.upper(), upper.isupper()) == (upper, True)

    @pytest.mark.parametrize(
        ("name", "other"), [("straße", "strasse"), ("\u212a1", "k1"), ("\u017f1", "s1"), ("\ufb011", "fi1")]
    )
    def test_is_another_one_where_more_than_the_case_of_ascii_letters_differs(self, anonymiser, name, other):
        assert anonymiser.name(name) != anonymiser.name(other)
        assert name not in anonymiser.text(f"the host of {name} is serviced")

    def test_of_a_guid_is_a_guid_in_its_case(self, anonymiser):
        upper = anonymiser.name("C7061BAC-AFDC-4513-B24B-AA5F13A16123")
        assert GUID.fullmatch(upper)
        assert upper == anonymiser.name("c7061bac-afdc-4513-b24b-aa5f13a16123").upper()

    def test_of_an_instance_of_a_scale_set_keeps_its_number_and_the_names_of_the_set(self, anonymiser):
        assert anonymiser.name("vmss_18") == f"{anonymiser.name('vmss')}_18"
        assert anonymiser.name("_vmss_18") == f"_{anonymiser.name('vmss_18')}"

    def test_of_an_instance_id_has_its_letter_and_length(self, anonymiser):
        pseudonym = anonymiser.name("i-bp67acfmxazb4ph0")
        assert re.fullmatch(r"i-[0-9a-z]{16}", pseudonym)
        assert pseudonym != "i-bp67acfmxazb4ph0"

    @pytest.mark.parametrize(
        ("value", "form"),
        [
            ("20.30.40.50", r"10\.\d+\.\d+\.\d+"),
            ("2001:db8::1", r"fd[0-9a-f:]+"),
            ("00:0D:3A:12:34:56", r"02(:[0-9A-F]{2}){5}"),
            ("1234567890123456", r"\d{16}"),
        ],
    )
    def test_has_the_form_of_what_it_stands_for(self, anonymiser, value, form):
        assert re.fullmatch(form, anonymiser.name(value))
        assert anonymiser.name(value) != value

    @pytest.mark.parametrize(
        "value", ["", "169.254.169.254", "127.0.0.1", "18", "2025-12-31T10:00:00Z", "Microsoft.Compute", "localhost"]
    )
    def test_is_not_given_to_what_names_nobody(self, anonymiser, value):
        assert anonymiser.name(value) == value

    def test_of_a_number_is_another_for_each(self, anonymiser):
        """Alike ones would make several events or machines the same."""
        numbers = [str(100_000_000 + number) for number in range(1000)]
        pseudonyms = {anonymiser.name(number) for number in numbers}
        assert len(pseudonyms) > 995
        assert all(len(pseudonym) == 9 and pseudonym.isdigit() for pseudonym in pseudonyms)

    @given(st.text())
    def test_stands_for_any_text_in_place_of_that_text(self, text):
        pseudonym = Anonymiser(TraceRules(), b"salt").name(text)
        assert pseudonym == Anonymiser(TraceRules(), b"salt").name(text)


class TestATextForPeople:
    def test_loses_the_names_that_the_document_tells_even_behind_it(self, anonymiser, exchange):
        body = {"Description": "WEB_18 moves from 20.30.40.50.", "Resources": ["web_18"]}
        document = json.loads(anonymiser.exchange(exchange(body=json.dumps(body).encode())).body)
        assert document["Description"].startswith(anonymiser.name("WEB_18"))
        assert document["Description"].endswith(f" moves from {anonymiser.name('20.30.40.50')}.")

    def test_keeps_its_words(self, anonymiser, exchange):
        text = "Virtual machine is going to be restarted as requested by authorized user."
        body = json.dumps({"Description": text, "Resources": ["vm"]}).encode()
        assert json.loads(anonymiser.exchange(exchange(body=body)).body)["Description"] == text


class TestAnExchange:
    def test_keeps_only_fields_that_are_known_to_name_nobody(self, anonymiser, exchange):
        body = json.dumps(
            {"location": "westus", "someNewField": "acme", "tagsList": [{"name": "owner", "value": "bob"}]}
        )
        clean = anonymiser.exchange(exchange(body=body.encode())).body.decode()
        assert '"location": "westus"' in clean
        assert not [word for word in ("acme", '"owner"', "bob") if word in clean]

    def test_has_its_host_and_the_machine_in_its_path_renamed(self, anonymiser, exchange):
        url = anonymiser.exchange(
            exchange(url="http://metadata.acme.example:80/machines/web_18/metadata/x?api-version=1")
        ).url
        assert "acme" not in url
        assert f"/machines/{anonymiser.name('web_18')}/metadata/" in url
        assert url.endswith("?api-version=1")

    def test_loses_the_marks_of_caches(self, anonymiser, exchange):
        clean = anonymiser.exchange(exchange(headers={"ETag": '"web-0"'}, request_headers={"If-None-Match": '"web-0"'}))
        assert (clean.headers, clean.request_headers) == ({}, {})

    def test_that_is_no_text_is_withheld(self, anonymiser, exchange):
        assert anonymiser.exchange(exchange(body=b"\xff\xfe")).body == UNREADABLE.encode()


class TestARecordedHour:
    @pytest.fixture
    def hour(self, simulator, watch, tmp_path):
        cloud = simulator(machines=("acmeweb_18@acmeweb", "acmeweb_19@acmeweb"), **{"scale-set": "acmeweb"})
        agent = watch(cloud, leader="first")
        agent.start(tmp_path / "trace.yaml", anonymise=True, machine="acmeweb_18")
        cloud.schedule(
            Impact.REBOOT,
            resources=["acmeweb_18", "acmeweb_19"],
            description="ACMEWEB_19 and acmeweb_18 of acmeweb leave 20.30.40.50",
        )
        agent.run(timedelta(hours=1))
        return tmp_path / "trace.yaml", agent

    def test_leaves_no_identifier_anywhere(self, hour):
        path, agent = hour
        text = path.read_text().casefold()
        machine = agent.agent.machine
        (event,) = agent.simulator.events()
        for identifier in (machine.id, machine.account, event["id"], "acme", 'stormcone"', "20.30.40.50"):
            assert identifier.casefold() not in text, identifier
        assert agent.recorder.stored > 3

    def test_is_replayed_with_the_same_history(self, hour, replay, watch):
        path, agent = hour
        again = watch(replay(path), leader="first")
        again.start()
        begun = again.clock.now()
        again.run(timedelta(hours=1))
        assert again.history(begun) == agent.history(read_trace(path).header.begun)
        assert again.simulator.differences() == []
        (episode,) = again.journal.episodes()
        assert episode.event.resources[0] == again.agent.machine.name == read_trace(path).header.machine

    def test_keeps_upper_case_ids_upper_case_and_numbers_of_instances(self, hour, replay):
        path, _ = hour
        (event,) = replay(path).events()
        assert event["id"].isupper()
        assert [name.rpartition("_")[2] for name in event["resources"]] == ["18", "19"]

    def test_counts_what_is_unchanged_as_well(self, tmp_path, exchange):
        with Recorder(tmp_path / "x.yaml", provider="azure", begun=exchange().at, rules=RULES, anonymise=True) as some:
            for number in range(5):
                some.record(exchange(body=b'{"Events": [], "RequestId": "%d"}' % number))
        assert [entry.count for entry in read_trace(tmp_path / "x.yaml").entries] == [5]
