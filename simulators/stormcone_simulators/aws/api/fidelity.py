"""How true the AWS simulator is to the APIs of EC2, SQS and EC2 Auto Scaling."""

from stormcone_simulators.fidelity import Feature, Fidelity, Sheet

_MODELS = "botocore's models of the services"
_EC2 = "EC2's documentation"
_SQS = "SQS's documentation"

APIS: Sheet = (
    Feature(
        Fidelity.DOES,
        "Calls are signed with Signature Version 4; one that was changed, is late, or is another key's is refused",
        "the documentation of Signature Version 4",
        (
            "test_aws_api.py::TestSignatures::test_the_key_lets_in",
            "test_aws_api.py::TestSignatures::test_any_other_does_not",
            "test_aws_api.py::TestSignatures::test_a_body_that_was_changed_on_its_way_is_refused",
            "test_aws_api.py::TestSignatures::test_a_signature_of_another_hour_is_refused",
        ),
    ),
    Feature(
        Fidelity.DOES,
        "Every member of every answer is one that the SDK knows, and every parameter that it can send is honoured, "
        "without effect, or refused by its name",
        _MODELS,
        (
            "test_aws_api.py::TestTheSdksModels::test_know_every_member_of_every_answer",
            "test_aws_api.py::TestTheSdksModels::test_have_no_parameter_that_the_tables_lack_and_no_other",
            "test_aws_api.py::TestTheSdksModels::test_what_is_refused_is_named_with_the_reason",
            "test_aws_api.py::TestTheSdksModels::test_what_no_model_has_is_refused_by_its_name",
            "test_aws_api.py::TestTheSdksModels::test_what_is_said_twice_is_refused",
        ),
    ),
    Feature(
        Fidelity.DOES,
        "Scheduled events are shown by DescribeInstanceStatus with its filters and pages, and for a week after their "
        "end with `[Completed]` or `[Canceled]` before their text",
        _EC2,
        (
            "test_aws_api.py::TestStatuses::test_events_are_shown_with_their_ends",
            "test_aws_api.py::TestStatuses::test_what_has_ended_is_shown_for_a_week",
            "test_aws_api.py::TestStatuses::test_pages_lead_through_all",
            "test_aws_api.py::TestStatuses::test_a_filter_makes_a_difference",
        ),
    ),
    Feature(
        Fidelity.DOES,
        "An event with a deadline is put off up to it, at least an hour ahead and not within five minutes of its start",
        _EC2,
        (
            "test_aws_api.py::TestRescheduling::test_moves_the_start_and_the_end",
            "test_aws_api.py::TestRescheduling::test_not_beyond_the_deadline_nor_within_the_hour",
            "test_aws_api.py::TestRescheduling::test_not_just_before_it_starts",
        ),
    ),
    Feature(
        Fidelity.DOES,
        "A message is kept from others for its time, comes again by another handle, and goes to the dead after so many "
        "times; who waits for one is answered as soon as it comes",
        _SQS,
        (
            "test_aws_api.py::TestQueues::test_a_message_comes_again_once_its_time_is_over",
            "test_aws_api.py::TestQueues::test_by_an_old_handle_nothing_is_deleted",
            "test_aws_api.py::TestQueues::test_what_nobody_deletes_goes_to_the_dead",
            "test_aws_api.py::TestQueues::test_who_waits_is_answered_as_soon_as_something_is_told",
        ),
    ),
    Feature(
        Fidelity.DOES,
        "EventBridge tells of recommendations, interruptions two minutes ahead, states, hooks and maintenance",
        "the services' documentation of their events",
        ("test_aws_api.py::TestQueues::test_eventbridge_tells_of_a_spot_interruption_ahead_and_of_its_end",),
    ),
    Feature(
        Fidelity.DOES,
        "A lifecycle hook waits for its heartbeat, a hundred of them or 48 hours at the most, and for its completion",
        "EC2 Auto Scaling's documentation",
        (
            "test_aws_api.py::TestHooks::test_a_heartbeat_has_it_wait_as_long_again",
            "test_aws_api.py::TestHooks::test_but_not_for_ever",
            "test_aws_api.py::TestHooks::test_completing_ends_the_wait",
        ),
    ),
    Feature(Fidelity.DOES_NOT, "Any other operation, service, region, zone or account: they are refused", "by design"),
    Feature(Fidelity.DOES_NOT, "FIFO queues, attributes of messages, more queues than one and its dead", "by design"),
    Feature(Fidelity.DOES_NOT, "Most filters of DescribeInstances: one that is not there is refused", "by design"),
    Feature(
        Fidelity.UNVERIFIED,
        "A parameter that is given twice is refused with `InvalidQueryParameter`: the services may take one of the two",
        "no public source says so",
    ),
    Feature(
        Fidelity.UNVERIFIED,
        "The codes with which an event is refused to be put off, and of a signature that does not fit",
        "no public source names them",
    ),
    Feature(
        Fidelity.UNVERIFIED,
        "Which codes of AWS Health go with which scheduled events, and when it says that one is closed",
        "no public source says so",
    ),
    Feature(
        Fidelity.UNVERIFIED,
        "The state of an instance follows from its events, and an instance that was stopped stays so",
        "by design",
    ),
)
"""A part of the simulator's sheet."""

REPLAY: Sheet = (
    Feature(
        Fidelity.DOES,
        "What the APIs and a queue said is replayed from a trace, by their own protocols: a queue as a queue",
        "by design",
        (
            "test_aws_replay.py::TestEc2::test_answers_what_was_recorded_on_todays_date",
            "test_aws_replay.py::TestEc2::test_refuses_in_its_own_xml_what_was_not_recorded",
            "test_aws_replay.py::TestSqs::test_gives_each_message_when_it_came_and_until_it_is_deleted",
            "test_aws_replay.py::TestSqs::test_refuses_its_older_protocol_in_xml",
        ),
    ),
    Feature(
        Fidelity.DOES_NOT,
        "SQS's older query protocol: it is refused in its own XML",
        "by design",
    ),
)
"""Of the replay of traces: a part of the simulator's sheet."""
