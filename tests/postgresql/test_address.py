"""Where a database is: what an address says, what it may say, and that its password is shown to nobody."""

import pytest

from stormcone.errors import SettingsError
from stormcone.postgresql.address import DatabaseAddress, is_address

pytest.importorskip("psycopg")

SECRET = "s3cret"


class TestWhatItSays:
    def test_it_is_libpqs_but_for_the_options_that_are_ours(self):
        address = DatabaseAddress.parse(
            "postgresql://me@h1:5433,h2/db?journal=eu%2D1&sslmode=verify-full", own=("journal",)
        )
        assert address.own == {"journal": "eu-1"}
        found = address.parameters()
        assert (found["host"], found["port"], found["dbname"]) == ("h1,h2", "5433,", "db")
        assert (found["sslmode"], found["application_name"], found["connect_timeout"]) == (
            "verify-full",
            "stormcone",
            "5",
        )

    def test_it_may_say_otherwise_than_we_do(self):
        found = DatabaseAddress.parse("postgres:///db?host=/run/postgresql&connect_timeout=9").parameters()
        assert (found["host"], found["connect_timeout"]) == ("/run/postgresql", "9")

    @pytest.mark.parametrize("text", ["journal.db", "/var/lib/journal.db", "C:postgresql", ":memory:", "postgresql:/x"])
    def test_a_path_is_none(self, text):
        assert not is_address(text)


class TestThePassword:
    @pytest.mark.parametrize(
        "url",
        [
            f"postgresql://me:{SECRET}@h/db?journal=eu",
            f"postgresql://me:{SECRET}%40%2F%3F@h1:1,[::1]:2/db",
            f"postgresql://me@h/db?password={SECRET}&journal=eu",
            f"postgresql://h/db?sslpassword={SECRET}",
        ],
    )
    def test_is_given_to_libpq_and_shown_to_nobody(self, url):
        address = DatabaseAddress.parse(url, own=("journal",))
        assert SECRET in str(address.parameters())
        assert SECRET not in f"{address} {address!r} {address.text}"

    @pytest.mark.parametrize("mark", ["@", "/", "?", "#", "%", ":", "?x=", "@/", "&"])
    @pytest.mark.parametrize("before", ["", "12"])
    def test_is_not_quoted_where_it_should_have_been_written_otherwise(self, mark, before):
        url = f"postgresql://me:{before}{mark}{SECRET}@h/db"
        said = []
        try:
            address = DatabaseAddress.parse(url)
            said += [address.text, repr(address)]
            address.parameters()
        except SettingsError as error:
            said += [str(error), repr(error.__cause__)]
        assert SECRET not in "".join(said)


class TestWhatIsRefused:
    @pytest.mark.parametrize(
        ("url", "text"),
        [
            ("postgresql://h/db?sslmod=require", "has the option 'sslmod', which is not known; did you mean sslmode?"),
            ("postgresql://h/db?journl=x", "did you mean journal?"),
            ("postgresql://h/db?zzzzzzz=x", "'zzzzzzz', which is not known; leave it out"),
            ("postgresql://h/db?sslmode", "an option without a value; write postgresql://USER@HOST"),
            ("postgresql://h/db?journal=a&journal=b", "has the option journal twice; give it once"),
            ("postgresql://h:port/db", "cannot be read; write postgresql://USER@HOST"),
            ("mysql://h/db", "cannot be read; write postgresql://USER@HOST"),
        ],
    )
    def test_in_one_sentence(self, url, text):
        with pytest.raises(SettingsError) as caught:
            DatabaseAddress.parse(url, own=("journal",)).parameters()
        assert text in str(caught.value)

    def test_an_option_of_ours_is_suggested_although_the_address_has_none(self):
        with pytest.raises(SettingsError, match="did you mean journal"):
            DatabaseAddress.parse("postgresql://h/db?jurnal=x", own=("journal",)).parameters()
