"""How true the simulated metadata service is to EC2's, and what it announces."""

from stormcone_simulators.fidelity import Feature, Fidelity, Sheet

METADATA: Sheet = (
    Feature(
        Fidelity.DOES,
        "Version 2 with tokens of 1 to 21600 s that expire on the simulator's clock, and version 1; version 2 alone, "
        "or nothing at all, by a setting",
        "EC2's documentation",
        (
            "test_aws_imds.py::TestTokens::test_one_is_given_for_as_long_as_it_is_asked_for",
            "test_aws_imds.py::TestTokens::test_none_is_given_for_a_time_that_it_cannot_last",
            "test_aws_imds.py::TestTokens::test_one_is_good_for_its_instance_until_it_expires",
            "test_aws_imds.py::TestTokens::test_version_2_alone_answers_nobody_without_one",
            "test_aws_imds.py::TestTokens::test_a_service_that_is_off_answers_nobody",
        ),
    ),
    Feature(
        Fidelity.DOES,
        "No token through a proxy that says so (`X-Forwarded-For`), and none that goes further than the hop limit: its "
        "answer never comes, while all others do",
        "EC2's documentation",
        (
            "test_aws_imds.py::TestTokens::test_none_is_given_through_a_proxy",
            "test_aws_imds.py::TestHops::test_one_that_would_go_further_never_comes_while_all_else_does",
        ),
    ),
    Feature(
        Fidelity.DOES,
        "The documented categories under `latest` and the dated versions, listings, the identity document, and the "
        "credentials of a role",
        "EC2's documentation, and cloud-init",
        (
            "test_aws_imds.py::TestValues::test_an_instance_learns_of_itself",
            "test_aws_imds.py::TestValues::test_its_identity_is_a_document",
            "test_aws_imds.py::TestValues::test_whatever_a_listing_names_answers",
            "test_aws_imds.py::TestValues::test_the_credentials_of_its_role_outlast_both_clocks",
        ),
    ),
    Feature(
        Fidelity.DOES,
        "404, 401 and 400 as a page in XHTML",
        "seen in the field",
        (
            "test_aws_imds.py::TestValues::test_what_is_not_there_is_a_page_that_says_so",
            "test_aws_imds.py::TestTokens::test_none_is_given_for_a_time_that_it_cannot_last",
        ),
    ),
    Feature(
        Fidelity.DOES,
        "Scheduled events with their fields and dates; `NotAfter` and `NotBeforeDeadline` only where EC2 gives them",
        "EC2's documentation, and the field",
        (
            "test_aws_imds.py::TestScheduledEvents::test_one_has_the_documented_fields_in_their_order",
            "test_aws_imds.py::TestScheduledEvents::test_a_stop_says_when_it_begins_and_no_more",
        ),
    ),
    Feature(
        Fidelity.DOES,
        "`active` until it has ended, then in the history, with the state in brackets before the text",
        "EC2's documentation",
        (
            "test_aws_imds.py::TestScheduledEvents::test_one_is_active_while_it_lasts_and_then_in_the_history",
            "test_aws_imds.py::TestScheduledEvents::test_one_that_is_called_off_says_so_in_the_history",
        ),
    ),
    Feature(
        Fidelity.DOES,
        "A spot interruption two minutes ahead, a hibernation as it begins, `termination-time` for the end alone",
        "EC2's documentation",
        (
            "test_aws_imds.py::TestSpot::test_an_interruption_is_told_two_minutes_ahead",
            "test_aws_imds.py::TestSpot::test_a_hibernation_is_told_as_it_begins",
            "test_aws_imds.py::TestSpot::test_only_the_end_has_a_termination_time",
        ),
    ),
    Feature(
        Fidelity.DOES,
        "Nobody calls an interruption off, and only scheduled events move",
        "EC2's documentation",
        ("test_aws_model.py::TestSpot::test_nobody_calls_one_off_or_moves_it",),
    ),
    Feature(
        Fidelity.DOES,
        "An interruption that is ordered further ahead is a rebalance recommendation first, as AWS FIS makes it; a "
        "recommendation stays",
        "AWS FIS's documentation",
        (
            "test_aws_imds.py::TestSpot::test_an_ordered_interruption_is_first_recommended_for",
            "test_aws_imds.py::TestSpot::test_a_recommendation_stays_the_same",
        ),
    ),
    Feature(
        Fidelity.DOES,
        "The state that Auto Scaling takes an instance to",
        "Auto Scaling's documentation",
        (
            "test_aws_imds.py::TestTargetState::test_auto_scaling_takes_an_instance_away",
            "test_aws_model.py::TestTargetState::test_auto_scaling_takes_an_instance_away_for_an_hour",
        ),
    ),
    Feature(
        Fidelity.DOES_NOT,
        "Anything of the instance itself: no event really stops or restarts it, and its metadata stays",
        "by design",
    ),
    Feature(
        Fidelity.DOES_NOT,
        "Live migrations, which are silent on EC2; redeployments, which an owner does by stopping and starting",
        "EC2's documentation",
    ),
    Feature(
        Fidelity.DOES_NOT,
        "Signatures of the identity document, which only AWS can make; user data, public keys, tags, IPv6",
        "by design",
    ),
    Feature(
        Fidelity.DOES_NOT,
        "The limit on how often an instance may ask",
        "the number that is quoted, 1024 packets a second, is unverified",
    ),
    Feature(
        Fidelity.UNVERIFIED,
        "Every dated version has the same items as `latest`",
        "no source",
    ),
    Feature(
        Fidelity.UNVERIFIED,
        "405 to methods that it does not have, and the order in which it refuses",
        "no source",
    ),
    Feature(
        Fidelity.UNVERIFIED,
        "`[]` where nothing is scheduled or has ended; an ended event stays in the history for a week, as in the API",
        "simulators of others answer 404",
    ),
    Feature(
        Fidelity.UNVERIFIED,
        "A scheduled event stays `active` for ten minutes after its time, a spot notice for one; windows of two hours, "
        "and a week to which a restart can be put off",
        "no source",
    ),
    Feature(
        Fidelity.UNVERIFIED,
        "The texts of network and power maintenance",
        "no source",
    ),
    Feature(
        Fidelity.UNVERIFIED,
        "An interruption with two minutes of notice or less has no recommendation before it",
        "both are best effort",
    ),
    Feature(
        Fidelity.UNVERIFIED,
        "Every instance is in an Auto Scaling group, and `InService` where it is taken nowhere",
        "a new instance, or one without a group, may answer 404",
    ),
)
"""What the sheet says of the metadata service."""
