"""Bodies of every kind lose what is asked for and stay what they were: well formed, in order, consistent."""

import json
from urllib.parse import parse_qs, urlencode
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stormcone.clouds.trace import TraceRules
from stormcone.recording import Recorder, read_trace
from stormcone.recording.anonymise import Anonymiser
from stormcone.recording.bodies import UNREADABLE, WITHHELD
from stormcone.recording.secrets import scrubbed
from stormcone_aws.trace import RULES

XML = {"Content-Type": "text/xml;charset=UTF-8"}
FORM = {"Content-Type": "application/x-www-form-urlencoded; charset=utf-8"}
HERE = "i-0acbe0123456789ab"

TAGS = ("instanceId", "item", "member", "privateDnsName", "ownerId", "tagSet", "ns:value")
NAMES = st.one_of(
    st.from_regex(r"i-0[0-9a-f]{16}", fullmatch=True),
    st.from_regex(r"secret-of-[a-z]{6,12}", fullmatch=True),
    st.from_regex(r"acme[<>&\"'\]äß 1-9]{1,6}ecma", fullmatch=True),
    st.from_regex(r"[1-9][0-9]{11}", fullmatch=True),
)
TEXTS = st.one_of(
    st.just(""),
    NAMES,
    NAMES.map(lambda name: f"\n  {name}\t"),
    NAMES.map(lambda name: json.dumps({"detail": {"EC2InstanceId": name}})),
)


@st.composite
def trees(draw, depth=3):
    element = ElementTree.Element(draw(st.sampled_from(TAGS)).replace("ns:", "{http://a.example/}"))
    element.text = draw(TEXTS)
    if draw(st.booleans()):
        element.set("name", draw(NAMES))
    for _ in range(draw(st.integers(0, 3)) if depth else 0):
        child = draw(trees(depth - 1))
        child.tail = draw(TEXTS)
        element.append(child)
    return element


def leaves(tree):
    """Every text of a tree in order, without the blanks around it; of one that is JSON the one value in it."""
    for element in tree.iter():
        for text in (element.text, *element.attrib.values(), element.tail):
            value = (text or "").strip()
            yield json.loads(value)["detail"]["EC2InstanceId"] if value.startswith("{") else value


class TestAnAnonymisedXml:
    @given(trees())
    def test_is_the_same_tree_with_one_pseudonym_for_each_name(self, exchange, tree):
        body = ElementTree.tostring(tree, encoding="UTF-8")
        clean = Anonymiser(RULES, b"salt").exchange(exchange(headers=XML, body=body)).body
        other = ElementTree.fromstring(clean)  # noqa: S314 - our own
        assert _tags(other) == _tags(tree)
        became = {}
        for old, new in zip(leaves(tree), leaves(other), strict=True):
            assert became.setdefault(old, new) == new
            assert (old == new) == (old == "")
        assert len(set(became.values())) == len(became)
        text = clean.decode()
        assert not [name for name in became if name and ElementTree.tostring(_holding(name)).decode()[3:-4] in text]

    @given(NAMES)
    def test_calls_a_name_as_json_forms_and_addresses_call_it(self, exchange, name):
        anonymiser = Anonymiser(RULES, b"salt")
        holding = ElementTree.tostring(_holding(name))
        clean = anonymiser.exchange(exchange(headers=XML, body=holding)).body
        in_xml = ElementTree.fromstring(clean).text  # noqa: S314 - our own
        in_json = json.loads(anonymiser.exchange(exchange(body=json.dumps({"a": name}).encode())).body)["a"]
        asked = urlencode({"InstanceId.1": name, "Action": "DescribeInstances"}).encode()
        in_form = parse_qs(
            anonymiser.exchange(exchange(request_headers=FORM, request_body=asked)).request_body.decode()
        )
        assert [in_json, *in_form["InstanceId.1"]] == [in_xml, in_xml]
        assert in_form["Action"] == ["DescribeInstances"]

    @pytest.mark.parametrize("item", ["item", "member"])
    def test_calls_what_stands_in_a_list_by_the_lists_name(self, exchange, item):
        body = f"<a><AttributeNames><{item}>QueueArn</{item}></AttributeNames><{item}>acme</{item}></a>".encode()
        clean = Anonymiser(RULES, b"salt").exchange(exchange(headers=XML, body=body)).body.decode()
        assert f"<AttributeNames><{item}>QueueArn</{item}></AttributeNames>" in clean
        assert "acme" not in clean


def _tags(tree):
    """Without what stands before a colon: the address of a namespace may name somebody."""
    return [each.tag.rpartition("}")[2] for each in tree.iter()]


def _holding(name):
    element = ElementTree.Element("a")
    element.text = name
    return element


class TestAwssForms:
    @pytest.fixture
    def anonymiser(self):
        return Anonymiser(RULES, b"salt")

    def test_of_an_arn_the_account_and_the_resource_are_renamed(self, anonymiser):
        arn = anonymiser.name(f"arn:aws:ec2:eu-west-1:210987654321:instance/{HERE}")
        account, instance = anonymiser.name("210987654321"), anonymiser.name(HERE)
        assert arn.startswith(f"arn:aws:ec2:eu-west-1:{account}:")
        assert arn.endswith(f"/{instance}")

    def test_of_a_scheduled_event_the_form_is_kept_with_and_without_what_health_puts_before_it(self, anonymiser):
        event = anonymiser.name("instance-event-0d59937288b749b32")
        assert event.startswith("instance-event-")
        assert len(event) == len("instance-event-0d59937288b749b32")
        assert anonymiser.name("EC2_instance-event-0d59937288b749b32") == f"EC2_{event}"

    def test_of_a_queues_address_the_service_is_kept(self, anonymiser):
        address = anonymiser.name("https://sqs.eu-west-1.amazonaws.com/210987654321/acme-queue")
        assert address.startswith(f"https://sqs.eu-west-1.amazonaws.com/{anonymiser.name('210987654321')}/")
        assert address.endswith(anonymiser.name("acme-queue"))
        assert "acme" not in anonymiser.name("https://vpce-0acme.sqs.eu-west-1.vpce.amazonaws.com/1/q")

    def test_a_refusal_keeps_its_words_and_names_nobody(self, anonymiser, exchange):
        text = (
            "User: arn:aws:iam::210987654321:user/acme is not authorized to perform: sqs:ReceiveMessage on "
            f"{HERE} of 210987654321. Encoded authorization failure message: aCmE/blob=="
        )
        body = f"<Response><Errors><Error><Code>X</Code><Message>{text}</Message></Error></Errors></Response>".encode()
        clean = anonymiser.exchange(exchange(headers=XML, body=body)).body.decode()
        assert "is not authorized to perform: sqs:ReceiveMessage on" in clean
        assert not [word for word in ("acme", "aCmE", "210987654321", HERE) if word in clean]


class TestSecrets:
    @pytest.mark.parametrize(
        "body",
        [
            "<A><Credentials><SecretAccessKey>%s</SecretAccessKey></Credentials></A>",
            "<A><sessionToken kind='%s'>x</sessionToken></A>",
            "<A><b>{&quot;deep&quot;: {&quot;ReceiptHandle&quot;: &quot;%s&quot;}}</b></A>",
            "<A><!-- %s --><password><x>%s</x></password></A>",
            json.dumps({"Messages": [{"Body": json.dumps({"deep": json.dumps({"password": "%s"})})}]}),
            '{"password": "%s", "password": ""}',
            '{"password": "%s',
            "<A><password>%s</A>",
            '<!DOCTYPE a [<!ENTITY e "%s">]><a><token>&e;</token></a>',
        ],
    )
    def test_never_reach_the_file(self, tmp_path, exchange, body):
        with Recorder(tmp_path / "x.yaml", provider="x", begun=exchange().at) as recorder:
            recorder.record(exchange(body=body.replace("%s", "hunter2hunter2").encode()))
        assert recorder.stored == 1
        assert "hunter2" not in (tmp_path / "x.yaml").read_text()

    def test_what_has_none_stays_as_it_was_to_the_last_blank(self, exchange):
        for body in (b'<?xml version="1.0"?>\n<a  b="c">\n <d/> </a>', b'{ "a":1,  "a": 2}', b"a=1&b=%20&c"):
            assert scrubbed(exchange(body=body, headers={}), TraceRules()).body == body

    def test_a_secret_of_one_body_is_hidden_where_another_repeats_it(self, tmp_path, exchange):
        with Recorder(tmp_path / "x.yaml", provider="x", begun=exchange().at) as recorder:
            recorder.record(exchange(body=b"<A><SecretAccessKey>hunter2hunter2</SecretAccessKey></A>", headers=XML))
            recorder.record(exchange(body=b"<Error>hunter2hunter2 is no good</Error>", headers=XML))
        first, second = read_trace(tmp_path / "x.yaml").entries
        assert WITHHELD in first.exchange.body.decode()
        assert second.exchange.body == b"<Error>(withheld) is no good</Error>"


class TestWhatCannotBeRead:
    @pytest.mark.parametrize(
        "body",
        [
            b"<a><b>acme</a>",
            b'{"a": "acme',
            b"[" * 100_000,
            b'<!DOCTYPE a [<!ENTITY b "acme">]><a>&b;</a>',
            b"<a>&acme;</a>",
            b"\xff\xfeacme",
        ],
    )
    def test_is_left_out_with_a_sentence(self, tmp_path, exchange, body):
        with Recorder(tmp_path / "x.yaml", provider="x", begun=exchange().at, rules=RULES, anonymise=True) as recorder:
            recorder.record(exchange(body=body))
        (entry,) = read_trace(tmp_path / "x.yaml").entries
        assert entry.exchange.body.decode() == UNREADABLE
