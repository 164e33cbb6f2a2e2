"""The shards that a configuration names: which there are, and what is refused."""

import pytest

from stormcone.config.shards import shard_of, shards_of
from stormcone.errors import SettingsError
from stormcone.rules.sharding import Part

JOURNAL = 'journal = "postgresql://me@db/stormcone?lease=5"\n'
REGION = '[shards.cn-hangzhou]\nprovider = "alibaba"\n'


@pytest.fixture
def refusal(configuration):
    """The sentence that refuses the shards of a text."""

    def read(text, **given):
        with pytest.raises(SettingsError) as refused:
            shards_of(configuration(text, **given))
        said = str(refused.value)
        assert "\n" not in said
        return said

    return read


class TestAShard:
    def test_is_a_region_with_a_journal_of_its_own(self, configuration):
        (shard,) = shards_of(configuration(JOURNAL + REGION)).values()
        assert (shard.name, shard.table, shard.part) == ("cn-hangzhou", "cn-hangzhou", Part())
        assert (shard.source.provider, shard.source.region) == ("alibaba", "cn-hangzhou")
        assert shard.source.settings == {"scope": "region"}
        assert str(shard.journal) == "postgresql://me@db/stormcone?lease=5&journal=main_cn-hangzhou"

    def test_is_a_part_of_one_where_it_says_how_many(self, configuration):
        found = shards_of(configuration(f"{JOURNAL}{REGION}parts = 3"))
        assert list(found) == ["cn-hangzhou_1of3", "cn-hangzhou_2of3", "cn-hangzhou_3of3"]
        assert [shard.part for shard in found.values()] == [Part(1, 3), Part(2, 3), Part(3, 3)]
        assert {shard.table for shard in found.values()} == {"cn-hangzhou"}
        assert len({str(shard.journal) for shard in found.values()}) == 3

    def test_has_the_settings_of_its_table_before_those_of_its_provider(self, configuration):
        text = f'{JOURNAL}provider = "alibaba"\n[providers.alibaba]\ntag = "a:b"\nendpoint = "http://127.0.0.1:1"\n'
        own = '[shards.east]\nregion = "cn-hangzhou"\ntag = "c:d"\n[shards.rest]\nregion = "cn-hangzhou"\n'
        east, rest = shards_of(configuration(text + own)).values()
        assert (east.source.settings["tag"], rest.source.settings["tag"]) == ("c:d", "a:b")
        assert east.source.endpoint == rest.source.endpoint == "http://127.0.0.1:1"
        assert east.source.region == "cn-hangzhou"

    def test_of_a_provider_that_always_watches_a_region_needs_no_scope(self, configuration):
        text = f'{JOURNAL}[shards.q]\nprovider = "aws-queue"\nregion = "eu-west-1"\nqueue = "notices"\n'
        assert "scope" not in shards_of(configuration(text))["q"].source.settings

    def test_has_a_journal_whose_name_begins_with_the_configurations(self, configuration):
        text = f'journal = "postgresql://me@db/stormcone?journal=prod"\n{REGION}'
        assert shards_of(configuration(text))["cn-hangzhou"].journal.own["journal"] == "prod_cn-hangzhou"


class TestItsSource:
    """By its digest two watchers that call one region by two names are found."""

    FULL = 'access-key-id = "LTAI-1"\naccess-key-secret = "hidden-secret"\ntag = "a:b"\n'

    @pytest.fixture
    def source(self, configuration):
        def read(text, name="cn-hangzhou", cloud="alibaba"):
            (shard,) = shards_of(
                configuration(f'{JOURNAL}[shards.{name}]\nprovider = "{cloud}"\n{text}', mode=0o600)
            ).values()
            return shard.shared.source

        return read

    def test_is_the_same_by_whatever_name_and_in_parts(self, configuration, source):
        assert source("") == source('region = "cn-hangzhou"\n', "east")
        found = shards_of(configuration(f"{JOURNAL}{REGION}parts = 2")).values()
        assert {shard.shared.source for shard in found} == {source("")}

    @pytest.mark.parametrize(
        ("was", "now"),
        [
            ("LTAI-1", "LTAI-2"),
            ("a:b", "a:c"),
            ("tag", 'endpoint = "http://127.0.0.1:1"\ntag'),
            ("tag", 'region = "cn-beijing"\ntag'),
        ],
        ids=["account", "tag", "endpoint", "region"],
    )
    def test_is_another_where_it_is_another_region_or_account_or_other_instances(self, source, was, now):
        assert source(self.FULL) != source(self.FULL.replace(was, now))

    def test_is_made_of_no_secret(self, source):
        proxy = 'proxy = "http://me:pass@proxy:1"\n'
        other = self.FULL.replace("hidden", "other")
        assert source(self.FULL) == source(other) == source(other + proxy)


class TestWhatIsForOneWatcher:
    @pytest.mark.parametrize(
        ("key", "value"), [("endpoint", "http://127.0.0.1:1"), ("machine", "web-0"), ("region", "cn-beijing")]
    )
    def test_is_refused_and_not_left_out(self, refusal, key, value):
        """With an endpoint that is left out, a rehearsal would ask the real cloud."""
        said = refusal(f'{JOURNAL}{key} = "{value}"\n{REGION}')
        assert said.startswith(f"{key}: it is not for shards; set it in [shards.NAME]")


class TestAMistake:
    @pytest.mark.parametrize(
        ("text", "why"),
        [
            (JOURNAL, 'there is nothing to share; add [shards.NAME] with region = "..." to the configuration'),
            (REGION, 'watchers share shards by their journals; set journal = "postgresql://..." as well'),
            (
                f"{JOURNAL}{REGION}part = 2",
                "there is no key shards.cn-hangzhou.part ({file}, line 4, column 1); did you",
            ),
            (
                f'{JOURNAL}{REGION}regoin = "x"',
                "shards.cn-hangzhou.regoin ({file}, line 4, column 1); did you mean region?",
            ),
            (f"{JOURNAL}{REGION}tagg = 1", "shards.cn-hangzhou.tagg: alibaba has no setting tagg; it has scope, "),
            (f'{JOURNAL}[shards.a]\nprovidr = "x"', "it says no provider, and providr is no key of it; did you mean"),
            (f'journal = "/tmp/j.db"\n{REGION}', 'set journal = "postgresql://..." as well'),
            (
                f"{JOURNAL}[shards.cn-hangzhou]\n",
                'shards.cn-hangzhou: it says no provider; add provider = "alibaba", for example ({file}, line 2',
            ),
            (
                f'{JOURNAL}{REGION}scope = "machine"\n',
                "a shard is a region, and alibaba watches one machine here; take a provider that can watch a region (",
            ),
            (f'{JOURNAL}[shards.x]\nprovider = "azure"\n', "shards.x: a shard is a region, and azure watches one"),
            (f'{JOURNAL}{REGION}region = "cn hangzhou!"\n', "shards.cn-hangzhou: "),
            (f'{JOURNAL}{REGION}tga = "a:b"\n', "shards.cn-hangzhou.tga: "),
            (f'{JOURNAL}{REGION}scope = "regoin"\n', "shards.cn-hangzhou.scope: "),
            (f'{JOURNAL}[shards.x]\nprovider = "alibaab"\n', "shards.x: "),
            (
                f'{JOURNAL}{REGION}[shards.again]\nprovider = "alibaba"\nregion = "cn-hangzhou"\n',
                "shards.again: it is what cn-hangzhou is, so each event would be handled twice; leave one of them out",
            ),
            (
                f'{JOURNAL}[shards.{"x" * 36}]\nprovider = "alibaba"\n',
                f"its journal would be called main_{'x' * 36}, and 40 characters are the most; choose a shorter one",
            ),
            (f'{JOURNAL}[shards.Hang_zhou]\nprovider = "alibaba"\n', "the name of a shard has a-z, 0-9 and -, and"),
            (
                f'{JOURNAL}[shards.q]\nprovider = "aws-queue"\nregion = "eu-west-1"\nqueue = "notices"\nparts = 2\n',
                "shards.q: aws-queue is told each event once, so one watcher must hear all of them; leave parts out",
            ),
        ],
    )
    def test_is_a_sentence_with_the_place(self, refusal, file, text, why):
        assert why.format(file=file) in refusal(text)

    @pytest.mark.parametrize("parts", ["0", "-1", "65", '"many"'])
    def test_in_the_number_of_parts_is_one_too(self, mistake, parts):
        assert "shards.cn-hangzhou.parts: " in mistake(f"{JOURNAL}{REGION}parts = {parts}\n")

    def test_a_secret_in_a_file_for_everybody_is_refused(self, mistake):
        said = mistake(f'{JOURNAL}{REGION}access-key-id = "a"\naccess-key-secret = "b"\n', mode=0o644)
        assert "shards.cn-hangzhou.access-key-id is a secret and anybody may read it" in said


class TestOneOfThem:
    def test_is_the_one_that_is_named(self, configuration):
        found = shard_of(configuration(f"{JOURNAL}{REGION}parts = 2", flags={"shard": "cn-hangzhou_2of2"}))
        assert found.part == Part(2, 2)

    def test_is_none_where_there_are_none(self, configuration):
        assert shard_of(configuration(JOURNAL)) is None

    def test_that_is_misspelt_is_refused(self, configuration):
        with pytest.raises(SettingsError, match=r"there is no such shard; did you mean cn-hangzhou_2of2\?"):
            shard_of(configuration(f"{JOURNAL}{REGION}parts = 2", flags={"shard": "cn-hangzou_2of2"}))

    def test_must_be_named_where_there_are_some(self, configuration):
        with pytest.raises(SettingsError, match="`stormcone watch` shares it; start that, or name one shard with"):
            shard_of(configuration(JOURNAL + REGION))
