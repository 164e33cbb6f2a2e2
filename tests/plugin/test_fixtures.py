"""What the pytest plug-in promises to suites of users, run as such suites."""

import json
import subprocess
import sys
import textwrap

import pytest

from stormcone.plugins import SIMULATORS, load_plugins

CLOUDS = sorted(load_plugins(SIMULATORS).found)
SERVE = [sys.executable, "-m", "stormcone", "simulator", "azure", "--port", "0", "--json"]

PROMISED = """
    @pytest.mark.stormcone(machines=["db-0", "db-1"])
    def test_primary_fails_over_before_a_reboot(simulator, agent, database):
        event = simulator.schedule(Impact.REBOOT, resources=["db-0"], notice=timedelta(minutes=15))
        agent.run_until(event, Phase.SCHEDULED, prepared=True)
        assert database.primary == "db-1"
        simulator.clock.advance(minutes=15)
        agent.run_until(event, Phase.ENDED)
        assert database.standby == "db-0"
"""


class TestTheFixtures:
    def test_read_as_promised_on_every_cloud(self, suite):
        suite(PROMISED).assert_outcomes(passed=len(CLOUDS))

    def test_are_there_without_an_import_in_a_process_of_its_own(self, suite):
        suite(PROMISED, "--strict-markers", in_process=False).assert_outcomes(passed=len(CLOUDS))

    def test_start_the_cloud_that_is_asked_for(self, suite):
        suite("""
            def test_azure(azure):
                assert azure.name == "azure"
                assert azure.url.startswith("http://127.0.0.1:")

            def test_alibaba(alibaba):
                assert alibaba.name == "alibaba"
        """).assert_outcomes(passed=2)

    def test_skip_a_cloud_without_such_an_event_and_say_so(self, suite):
        result = suite(
            """
            def test_each(simulator):
                simulator.schedule(Impact.REDEPLOY, resources=list(simulator.urls()))
        """,
            "-rs",
        )
        assert result.parseoutcomes() == {"passed": 2, "skipped": len(CLOUDS) - 2}
        result.stdout.fnmatch_lines(["*Google has no event with the impact redeploy*"])

    def test_fail_where_one_cloud_is_asked_for_what_it_does_not_have(self, suite):
        suite("""
            def test_one(google):
                google.schedule(Impact.REDEPLOY, resources=list(google.urls()))
        """).assert_outcomes(failed=1)

    def test_fail_at_any_other_mistake(self, suite):
        suite("""
            def test_each(simulator):
                simulator.schedule(Impact.REBOOT, resources=["nobody-0"])
        """).assert_outcomes(failed=len(CLOUDS))

    def test_take_machines_by_marker_or_by_argument(self, suite):
        suite("""
            @pytest.mark.stormcone(machines=["a", "b", "c"])
            def test_by_marker(simulator):
                assert list(simulator.urls()) == ["a", "b", "c"]

            @pytest.mark.stormcone(machines=["a"])
            def test_by_argument(make_simulator):
                assert list(make_simulator("azure", "x", "y").urls()) == ["x", "y"]

            @pytest.mark.stormcone(machines=["a"])
            class TestAll:
                def test_by_the_marker_of_the_class(self, azure):
                    assert list(azure.urls()) == ["a"]

            def test_without_any(simulator):
                assert len(simulator.urls()) == 1
        """).assert_outcomes(passed=2 * len(CLOUDS) + 2)

    def test_speak_https_where_the_marker_says_so_and_the_agent_trusts_them(self, suite):
        suite("""
            @pytest.mark.stormcone(https=True, machines=["db-0"])
            def test_over_https(simulator, agent, make_simulator):
                assert simulator.url.startswith("https://")
                assert make_simulator("azure").url.startswith("https://")
                event = simulator.schedule(Impact.REBOOT, resources=["db-0"], notice=timedelta(minutes=15))
                agent.run_until(event, Phase.SCHEDULED)
        """).assert_outcomes(passed=len(CLOUDS))

    def test_take_a_simulators_own_settings(self, suite):
        suite("""
            import requests

            def test_etag(make_simulator):
                simulator = make_simulator("azure", etag="true")
                address = simulator.facts()["scheduled_events"]
                assert "ETag" in requests.get(address, headers={"Metadata": "true"}, timeout=30).headers
        """).assert_outcomes(passed=1)

    def test_share_one_clock_that_stands_still(self, suite):
        suite("""
            import time

            def test_clock(azure, alibaba, stormcone_clock):
                assert azure.clock is alibaba.clock is stormcone_clock
                before = stormcone_clock.now()
                time.sleep(0.01)
                assert stormcone_clock.now() == before
        """).assert_outcomes(passed=1)

    def test_run_a_test_for_one_cloud_alone_where_it_says_so(self, suite):
        suite("""
            @pytest.mark.parametrize("simulator", ["azure"], indirect=True)
            def test_one(simulator):
                assert simulator.name == "azure"
        """).assert_outcomes(passed=1)

    def test_give_way_to_the_suites_own_of_the_same_name(self, suite):
        suite("""
            @pytest.fixture
            def simulator():
                return "mine"

            def test_mine(simulator):
                assert simulator == "mine"
        """).assert_outcomes(passed=1)

    def test_can_be_read_about_on_the_command_line(self, pytester):
        result = pytester.runpytest_inprocess("--markers", "--fixtures")
        result.stdout.fnmatch_lines(["*@pytest.mark.stormcone(machines=*"])
        shown = pytester.runpytest_inprocess("--fixtures").stdout.str()
        for name in ("azure", "alibaba", "simulator", "agent", "agent_on", "make_simulator", "stormcone_clock"):
            assert f"\n{name} -- " in shown


class TestTheAgent:
    def test_runs_on_the_machine_and_in_the_thread_that_the_marker_names(self, suite):
        suite("""
            import threading

            threads = []

            @pytest.fixture
            def app():
                app = App()
                app.prepare(lambda event, context: threads.append(threading.current_thread().name))
                return app

            @pytest.mark.stormcone(machines=["db-0", "db-1"])
            @pytest.mark.stormcone(machine="db-1", thread=True)
            def test_there(simulator, agent):
                event = simulator.schedule(Impact.REBOOT, resources=["db-1"], notice=timedelta(minutes=15))
                agent.run_until(event, Phase.SCHEDULED, prepared=True)
                assert agent.agent.machine.name == "db-1"
                assert threads.pop() != threading.current_thread().name

            def test_here(azure, agent):
                event = azure.schedule(Impact.REBOOT, resources=["web-0"])
                agent.run_until(event, Phase.SCHEDULED, prepared=True)
                assert threads.pop() == threading.current_thread().name
        """).assert_outcomes(passed=len(CLOUDS) + 1)

    def test_may_be_several_on_one_cloud_which_live_side_by_side(self, suite):
        suite(
            """
            @pytest.mark.stormcone(machines=["db-0", "db-1"])
            def test_both(simulator, agent_on):
                seen = []

                def app(name):
                    app = App()
                    app.prepare(lambda event, context: seen.append((name, context.machine.name)))
                    return app

                first, second = agent_on("db-0", app=app("a")), agent_on("db-1", app=app("b"))
                simulator.schedule(Impact.REBOOT, resources=["db-0"], notice=timedelta(minutes=15))
                event = simulator.schedule(Impact.REBOOT, resources=["db-1"], notice=timedelta(minutes=15))
                second.run_until(event, Phase.SCHEDULED, prepared=True)
                assert sorted(seen) == [("a", "db-0"), ("b", "db-1")]
        """
        ).assert_outcomes(passed=len(CLOUDS))

    def test_takes_the_simulator_that_is_handed_to_it_where_there_are_two(self, suite):
        suite("""
            @pytest.mark.stormcone(machines=["db-0"])
            def test_two(azure, alibaba, agent_on):
                on_azure, on_alibaba = agent_on(simulator=azure), agent_on(simulator=alibaba)
                on_azure.run_for(seconds=2)
                assert on_azure.agent.machine.provider == "azure"
                assert on_alibaba.agent.machine.provider == "alibaba"
        """).assert_outcomes(passed=1)


class TestAnAppThatATestParametrizes:
    def test_is_the_agents(self, suite):
        suite("""
            @pytest.fixture
            def app():
                pytest.fail("the parameter is the app")

            @pytest.mark.parametrize("app", [App([Failover(Database())], approve=how) for how in ("never", "prepared")])
            def test_with_each(azure, agent, app):
                event = azure.schedule(Impact.REBOOT, resources=list(azure.urls())[:1], notice=timedelta(minutes=15))
                agent.step()
                agent.assert_approved(event, approved=app.approval.approve == "prepared")
        """).assert_outcomes(passed=2)

    def test_need_not_be_an_argument_of_the_test(self, suite):
        suite(
            """
            from stormcone import App, Handler, Impact

            class Quiet(Handler):
                def prepare(self, event, context): ...

            import pytest
            @pytest.mark.parametrize("app", [App([Quiet()]), App([Quiet()], approve="never")])
            def test_with_each(azure, agent):
                agent.step()
                assert agent.app.handlers[0].label == "Quiet"
            """,
            service="",
        ).assert_outcomes(passed=2)


class TestTheClock:
    def test_does_not_move_while_a_real_poll_is_slow(self, suite):
        suite("""
            import time

            @pytest.mark.parametrize("thread", [False, True])
            def test_slow(azure, agent_on, thread, monkeypatch):
                from stormcone_azure.provider import AzureProvider

                usual = AzureProvider.poll

                def slow(self):
                    time.sleep(0.4)
                    return usual(self)

                monkeypatch.setattr(AzureProvider, "poll", slow)
                agent = agent_on(thread=thread)
                before = azure.clock.now()
                agent.step()
                assert azure.clock.now() == before

            def test_but_comes_to_the_end_of_a_delay(azure, agent):
                agent.step()
                azure.faults.add(delay_seconds=5, times=1)
                before = azure.clock.now()
                agent.step()
                assert azure.clock.now() - before == timedelta(seconds=5)
        """).assert_outcomes(passed=3)


class TestACloudWithoutItsSdk:
    def test_is_skipped_and_says_so(self, suite):
        result = suite(
            """
            def test_each(simulator, agent, monkeypatch):
                agent.step()

            @pytest.fixture(autouse=True)
            def no_sdk(monkeypatch):
                import sys
                monkeypatch.setitem(sys.modules, "aliyunsdkcore.client", None)
        """,
            "-rs",
        )
        result.assert_outcomes(passed=len(CLOUDS) - 1, skipped=1)
        result.stdout.fnmatch_lines(["SKIPPED*no agent on alibaba: *pip install stormcone*alibaba*"])


class TestMisuse:
    @pytest.mark.parametrize(
        ("lines", "service", "says"),
        [
            (
                "def test_x(azure, agent): pass",
                "import pytest",
                "an agent runs the test's own app: write a fixture `app` that returns an App",
            ),
            (
                "def test_x(agent): pass",
                None,
                "an agent needs a simulator: let the test take one of simulator, *azure*",
            ),
            (
                "def test_x(azure, alibaba, agent): pass",
                None,
                "the test takes alibaba and azure: say which with agent_on(simulator=...)",
            ),
            (
                "def test_x(make_simulator): make_simulator('nowhere')",
                None,
                "*no such simulator: nowhere; there are: *azure*",
            ),
            (
                "def test_x(make_simulator): make_simulator('azure', colour='red')",
                None,
                "*the azure simulator has no setting 'colour'; there are: *",
            ),
            (
                "@pytest.mark.stormcone(machine='nobody')\ndef test_x(azure, agent): pass",
                None,
                "*there is no machine 'nobody'; there are: web-0",
            ),
        ],
    )
    def test_is_answered_with_a_sentence(self, suite, lines, service, says):
        result = suite("\n" + lines, **({"service": service} if service else {}))
        assert result.ret == 1
        result.stdout.fnmatch_lines([says if says.startswith("*") else f"*{says}"])


class TestBesideOthers:
    def test_many_workers_of_xdist_share_nothing(self, suite):
        pytest.importorskip("xdist", reason="pytest-xdist is not installed")
        result = suite(
            """
            @pytest.mark.stormcone(machines=["db-0", "db-1"])
            @pytest.mark.parametrize("number", range(4))
            def test_each(simulator, agent, database, number):
                event = simulator.schedule(Impact.REBOOT, resources=["db-0"], notice=timedelta(minutes=15))
                agent.run_until(event, Phase.SCHEDULED, prepared=True)
                assert len(simulator.events()) == 1
        """,
            "-n2",
            in_process=False,
        )
        result.assert_outcomes(passed=4 * len(CLOUDS))

    def test_async_tests_may_use_the_fixtures_inside_their_loop(self, suite, pytester):
        pytester.makeconftest("""
            import asyncio, inspect
            import pytest

            @pytest.hookimpl(tryfirst=True)
            def pytest_pyfunc_call(pyfuncitem):
                if not inspect.iscoroutinefunction(pyfuncitem.obj):
                    return None
                names = pyfuncitem._fixtureinfo.argnames
                asyncio.run(pyfuncitem.obj(**{name: pyfuncitem.funcargs[name] for name in names}))
                return True
        """)
        suite("""
            import asyncio

            class Slow(Handler):
                done = False

                async def prepare(self, event, context):
                    await asyncio.sleep(0)
                    self.done = True

            @pytest.fixture
            def slow():
                return Slow()

            @pytest.fixture
            def app(slow):
                return App([slow])

            @pytest.mark.stormcone(machines=["db-0"])
            async def test_in_a_loop(simulator, agent, slow):
                event = simulator.schedule(Impact.REBOOT, resources=["db-0"], notice=timedelta(minutes=15))
                agent.run_until(event, Phase.SCHEDULED, prepared=True)
                await asyncio.sleep(0)
                assert slow.done
        """).assert_outcomes(passed=len(CLOUDS))

    def test_unittest_has_the_same_without_fixtures(self, pytester):
        pytester.makepyfile(
            test_with_unittest="""
            import unittest
            from stormcone import App, Handler, Impact, ManualClock, Phase
            from stormcone_simulators.azure import AzureSimulator
            from stormcone.testing import AgentDriver

            class Drain(Handler):
                def prepare(self, event, context):
                    pass

            class TestDrain(unittest.TestCase):
                def setUp(self):
                    self.azure = self.enterContext(AzureSimulator(["db-0"], clock=ManualClock()))
                    self.agent = self.enterContext(AgentDriver(self.azure, App([Drain()])))

                def test_drains_before_a_reboot(self):
                    event = self.azure.schedule(Impact.REBOOT, resources=["db-0"])
                    self.agent.run_until(event, Phase.SCHEDULED, prepared=True)
                    self.agent.assert_ran(Drain, "prepare", event)
        """
        )
        result = pytester.run(sys.executable, "-W", "error", "-m", "unittest", "-v", "test_with_unittest")
        assert result.ret == 0, result.stderr.str()
        result.stderr.fnmatch_lines(["Ran 1 test*", "OK"])


class TestTheProcess:
    def test_pays_for_nothing_before_a_fixture_is_used(self, pytester):
        pytester.makeconftest("""
            import sys

            def pytest_unconfigure():
                heavy = {"pydantic", "requests", "h11", "stevedore", "asyncio", "sqlite3"}
                ours = {name for name in sys.modules if name.startswith("stormcone")}
                light = {"", ".testing", ".testing.pytest_plugin", ".testing.fixtures"}
                print("imported:", sorted((heavy & set(sys.modules)) | ours - {f"stormcone{name}" for name in light}))
        """)
        pytester.makepyfile("def test_nothing(): pass")
        result = pytester.runpytest_subprocess("-s", "-p", "no:cacheprovider", "-p", "no:hypothesispytest")
        result.stdout.fnmatch_lines(["imported: []"])

    def test_is_left_as_it_was(self, suite, pytester):
        pytester.makeconftest("""
            import os, threading, time

            def open_files():
                for number in os.listdir("/proc/self/fd"):
                    try:
                        yield f"{number}: {os.readlink('/proc/self/fd/' + number)}"
                    except FileNotFoundError:
                        pass  # the listing's own

            def state():
                return {
                    "environment": dict(os.environ),
                    "folder": os.getcwd(),
                    "files": sorted(open_files()),
                    "threads": sorted(thread.name for thread in threading.enumerate()),
                }

            def pytest_runtest_protocol(item):
                item.config.stash.setdefault("before", state())

            def pytest_sessionfinish(session):
                before = session.config.stash["before"]
                before["environment"].pop("PYTEST_CURRENT_TEST", None)
                end = time.monotonic() + 5  # a poll that is under way ends by itself
                while state() != before and time.monotonic() < end:
                    time.sleep(0.01)
                print("left behind:", {name: value for name, value in state().items() if value != before[name]})
        """)
        threaded = PROMISED.replace("def test_", "@pytest.mark.stormcone(thread=True)\n    def test_threaded_")
        result = suite(PROMISED + threaded, "-s", in_process=False)
        result.stdout.fnmatch_lines(["*left behind: {}*"])
        # pytester's own, and stevedore's cache of entry points.
        others = {"__pycache__", ".cache", "runpytest-0", "runpytest-current", "stdout", "stderr"}
        assert {path.name for path in pytester.path.iterdir()} - others == {
            "conftest.py",
            "tox.ini",
            "test_is_left_as_it_was.py",
        }

    def test_ends_although_a_handler_hangs(self, suite):
        result = suite(
            """
            import threading

            @pytest.fixture
            def app():
                app = App()
                app.prepare(lambda event, context: context.wait(10_000))
                return app

            @pytest.mark.stormcone(thread=True)
            def test_hangs(azure, agent):
                event = azure.schedule(Impact.REBOOT, resources=["web-0"])
                agent.step()
                assert agent.timeline(event)[-1].what == "prepare begins"
        """
        )
        result.assert_outcomes(passed=1)


class TestAsAProcess:
    """`stormcone simulator`, for tests in other languages."""

    def test_it_says_in_json_when_it_is_ready_and_ends_cleanly(self):
        with subprocess.Popen(
            [*SERVE, "--machine", "db-0"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        ) as process:
            ready = json.loads(process.stdout.readline())
            assert ready["ready"] is True
            assert ready["url"].startswith("http://127.0.0.1:")
            assert ready["machines"] == {"db-0": f"{ready['url']}/machines/db-0"}
            process.terminate()
            rest, errors = process.communicate(timeout=10)
        assert (rest, errors, process.returncode) == ("", "", 0)

    def test_two_take_two_ports(self):
        with (
            subprocess.Popen(SERVE, stdout=subprocess.PIPE, text=True) as one,
            subprocess.Popen(SERVE, stdout=subprocess.PIPE, text=True) as two,
        ):
            urls = {json.loads(process.stdout.readline())["url"] for process in (one, two)}
            for process in (one, two):
                process.terminate()
        assert len(urls) == 2


def test_a_simulator_is_a_plain_context_manager(pytester):
    code = """
        from stormcone import Impact
        from stormcone_simulators.azure import AzureSimulator
        with AzureSimulator(["db-0"]) as azure:
            print(azure.schedule(Impact.REBOOT, resources=["db-0"]) == azure.events()[0]["id"])
    """
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", textwrap.dedent(code)], capture_output=True, text=True, check=False
    )
    assert (done.stdout, done.stderr) == ("True\n", "")
