"""Health over real sockets: what is answered, to whom, and what holds up nobody."""

import json
import socket
import stat
import threading

import pytest
from tests.health.conftest import ask

from stormcone.agent.notices import NoticeKind
from stormcone.errors import ProviderError, SettingsError
from stormcone.handlers import Stage
from stormcone.health import face, server
from stormcone.health.addresses import Address, address_of, own_socket
from stormcone.health.client import NoAgent
from stormcone.health.client import ask as ask_agent
from stormcone.health.face import HEALTH, METRICS, READY, STATUS, Health
from stormcone.health.server import MOST_CONNECTIONS


@pytest.fixture
def world(world, health):
    world.step()
    health.watch(world.agent)
    return world


class TestWhatIsAnswered:
    def test_an_agent_that_works_is_alive_and_ready(self, world, listen):
        where = listen()
        assert ask(where, HEALTH)[:2] == (200, "application/json")
        status, _, body = ask(where, READY)
        assert (status, json.loads(body)["status"]) == (200, "ready")

    def test_one_that_is_degraded_says_why_and_is_still_asked(self, world, listen):
        class Queue(type(world.cloud)):
            name = "queue"

        queue = Queue()
        queue.poll_faults.extend([ProviderError("403 Forbidden")] * 9)
        world.begin_anew()
        world.also = (queue,)
        world.step()
        where = listen()
        status, _, body = ask(where, READY)
        assert (status, json.loads(body)["status"]) == (200, "ready")  # nobody watches the new agent yet
        listener_health = where._health
        listener_health.watch(world.agent)
        status, _, body = ask(where, READY)
        found = json.loads(body)
        assert (status, found["status"]) == (200, "degraded")
        assert found["checks"]["source queue"] == {
            "status": "degraded",
            "reason": "it has never answered: 403 Forbidden",
        }
        assert found["checks"]["source test"]["status"] == "ready"

    def test_one_whose_cloud_is_silent_is_alive_and_not_ready(self, world, listen):
        world.cloud.poll_faults.extend([ProviderError("no route to host")] * 2)
        world.step(seconds=31)
        where = listen()
        assert ask(where, HEALTH)[0] == 200
        status, _, body = ask(where, READY)
        assert status == 503
        assert json.loads(body)["reasons"] == ["source test: it has not answered for 31 s: no route to host"]

    def test_one_whose_loop_stands_still_is_not_alive(self, world, listen):
        world.clock.advance(minutes=2)
        status, _, body = ask(listen(), HEALTH)
        assert (status, json.loads(body)) == (503, {"status": "stuck"})

    def test_what_has_been_told_is_shown_already(self, world, health, monkeypatch):
        monkeypatch.setattr(face, "TURN", 30.0)  # whatever the machine's speed
        found = []

        class Asks(list):
            """Is told in the middle of a turn, and has somebody ask at once."""

            def append(self, notice):
                if notice.kind is NoticeKind.ANNOUNCED:
                    asker = threading.Thread(target=lambda: found.append(health.answer(STATUS, private=True)))
                    asker.start()
                    asker.join(0.05)  # who does not wait has its answer by then
                    askers.append(asker)

        askers = []
        world.notices = Asks()
        world.begin_anew()
        world.step()
        health.watch(world.agent)
        world.cloud.announce()
        world.step(seconds=1)
        for asker in askers:
            asker.join()
        assert [event["id"] for event in json.loads(found[0].body)["events"]] == ["E-1"]

    def test_before_there_is_an_agent_it_is_not_ready(self, world, listen):
        where = listen()
        where._health._agent = None
        assert ask(where, READY)[0] == 503
        assert ask(where, METRICS)[0] == 200

    def test_a_head_has_no_body(self, world, listen):
        status, kind, body = ask(listen(), HEALTH, "HEAD")
        assert (status, kind, body) == (200, "application/json", "")

    def test_another_page_says_which_there_are(self, world, listen):
        status, _, body = ask(listen(), "/")
        assert (status, json.loads(body)["error"]) == (
            404,
            "there is no such page; there are /healthz, /readyz, /metrics",
        )

    def test_metrics_without_their_part_name_what_to_install(self, world):
        plain = Health(world.clock)
        answer = plain.answer(METRICS, private=False)
        assert answer.status == 501
        assert "pip install 'stormcone[metrics]'" in answer.body.decode()


class TestWhoMayAsk:
    def test_what_events_say_is_answered_on_the_own_socket_alone(self, world, listen, tmp_path):
        world.cloud.announce(description="disk of web-0")
        world.step(seconds=1)
        assert ask(listen(), STATUS)[0] == 404
        own = listen(own_socket(world.path))
        status, _, body = ask(own, STATUS)
        assert (status, json.loads(body)["events"][0]["id"]) == (200, "E-1")

    def test_the_own_socket_is_its_owners_alone(self, world, listen):
        own = own_socket(world.path)
        listen(own)
        assert stat.S_IMODE(own.path.stat().st_mode) == 0o600

    def test_a_socket_that_was_named_is_its_groups_too(self, world, listen, tmp_path):
        listen(Address(path=tmp_path / "health.sock"))
        assert stat.S_IMODE((tmp_path / "health.sock").stat().st_mode) == 0o660


class TestSockets:
    def test_one_that_a_dead_agent_left_is_taken_over(self, world, listen):
        path = own_socket(world.path).path
        with socket.socket(socket.AF_UNIX) as dead:
            dead.bind(str(path))
        assert ask(listen(own_socket(world.path)), HEALTH)[0] == 200

    def test_one_with_a_long_path_works(self, world, listen, tmp_path):
        folder = tmp_path / ("f" * 120)
        folder.mkdir()
        where = Address(path=folder / "health.sock")
        assert ask(listen(where), HEALTH)[0] == 200

    def test_it_is_gone_afterwards(self, world, listen):
        own = own_socket(world.path)
        listen(own).close()
        assert not own.path.exists()

    def test_a_file_that_is_none_is_left_alone_and_told_of_once(self, world, listen, tmp_path, monkeypatch):
        monkeypatch.setattr("stormcone.health.server.AGAIN", 0.01)
        (tmp_path / "notes").write_text("mine")
        told, twice = [], threading.Event()
        where = listen(Address(path=tmp_path / "notes"), told=told.append, wait=False)
        twice.wait(0.2)
        where.close()
        (said,) = told
        assert said.startswith(f"health cannot be served on unix:{tmp_path}/notes: Address already in use; free that")
        assert (tmp_path / "notes").read_text() == "mine"

    def test_it_listens_as_soon_as_it_is_there(self, world, listen):
        """Whoever hears that the agent is ready, from systemd say, may ask at once."""
        assert listen(wait=False).listening.is_set()

    def test_a_name_whose_look_up_hangs_does_not_hold_up_the_agent(self, world, listen, monkeypatch):
        found = threading.Event()
        usual = server._Server

        def made(*arguments):
            assert found.wait(20)
            return usual(*arguments)

        monkeypatch.setattr(server, "FIRST_TRY", 0.01)
        monkeypatch.setattr(server, "_Server", made)
        where = listen(wait=False)
        assert not where.listening.is_set()
        found.set()
        assert where.listening.wait(20)

    def test_a_port_that_is_in_use_is_listened_on_once_it_is_free(self, world, listen, monkeypatch):
        monkeypatch.setattr("stormcone.health.server.AGAIN", 0.01)
        told, refused = [], threading.Event()

        def tell(text):
            told.append(text)
            refused.set()

        with socket.create_server(("127.0.0.1", 0)) as other:
            port = other.getsockname()[1]
            where = listen(Address("127.0.0.1", port), told=tell, wait=False)
            assert refused.wait(20)
        assert where.listening.wait(20)
        assert ask(where, HEALTH)[0] == 200
        assert len(told) == 1

    def test_clients_that_hang_hold_up_neither_others_nor_the_end(self, world, listen):
        where = listen()
        hanging = [socket.create_connection(("127.0.0.1", where.port)) for _ in range(MOST_CONNECTIONS - 1)]
        try:
            assert ask(where, HEALTH)[0] == 200
            where.close()
        finally:
            for each in hanging:
                each.close()

    def test_more_than_a_few_are_not_waited_for(self, world, listen):
        where = listen()
        hanging = [socket.create_connection(("127.0.0.1", where.port)) for _ in range(MOST_CONNECTIONS)]
        try:
            with socket.create_connection(("127.0.0.1", where.port), timeout=10) as late:
                assert late.recv(1) == b""
        finally:
            for each in hanging:
                each.close()


class TestAddresses:
    @pytest.mark.parametrize(
        ("text", "shown", "exposed"),
        [
            ("9464", "127.0.0.1:9464", False),
            ("127.0.0.2:80", "127.0.0.2:80", False),
            ("localhost:9464", "localhost:9464", False),
            ("[::1]:9464", "[::1]:9464", False),
            ("0.0.0.0:9464", "0.0.0.0:9464", True),
            ("[::]:9464", "[::]:9464", True),
            ("web-0.internal:9464", "web-0.internal:9464", True),
            ("unix:/run/stormcone/health.sock", "unix:/run/stormcone/health.sock", False),
        ],
    )
    def test_are_read(self, text, shown, exposed):
        address = address_of(text)
        assert (str(address), address.exposed) == (shown, exposed)

    @pytest.mark.parametrize(
        "text", ["", "nine", "127.0.0.1", "127.0.0.1:99999", "unix:run/x", "::1:9464", "http://x:1"]
    )
    def test_what_is_none_is_refused_with_what_to_write(self, text):
        with pytest.raises(SettingsError, match=r"write 127\.0\.0\.1:9464, \[::1\]:9464, or unix:/run"):
            address_of(text)


class TestAsking:
    def test_the_agent_of_a_journal(self, world, listen):
        world.handler("lb", (Stage.PREPARE,))
        listen(own_socket(world.path))
        assert ask_agent(world.path, STATUS)["condition"] == "ready"

    def test_where_none_runs_says_what_to_do(self, tmp_path):
        with pytest.raises(NoAgent, match=r"no agent runs with the journal .*; start one .* stormcone history"):
            ask_agent(tmp_path / "journal.db", STATUS)

    def test_one_that_does_not_answer_is_told(self, tmp_path, monkeypatch):
        monkeypatch.setattr("stormcone.health.client.PATIENCE", 0.05)
        path = own_socket(tmp_path / "journal.db").path
        with socket.socket(socket.AF_UNIX) as silent:
            silent.bind(str(path))
            silent.listen()
            with pytest.raises(NoAgent, match=r"does not answer .*; is it stuck\?"):
                ask_agent(tmp_path / "journal.db", STATUS)
