"""How true the Alibaba Cloud simulator is to ECS system events."""

from stormcone_simulators.fidelity import Feature, Fidelity, Sheet

SHEET: Sheet = (
    Feature(
        Fidelity.DOES,
        "The calls of simulated events, their parameters, refusals and codes",
        "Alibaba Cloud's documentation",
        (
            "test_alibaba_api.py::TestRefusals::test_a_bad_call_is_refused_with_the_documented_status_and_code",
            "test_alibaba_sdk.py::TestOldSdk::test_every_operation_is_called",
        ),
    ),
    Feature(
        Fidelity.DOES,
        "Every parameter that the vendor's SDKs can send is honoured, refused by its name, or without effect there "
        "too; one that no table has is refused, or ignored with a setting, as the service does: the vendor's footmark "
        "sends one with every call",
        "the SDKs' own request classes; footmark",
        (
            "test_alibaba_parameters.py::TestTheTables::test_name_all_that_the_sdks_can_send_and_nothing_else",
            "test_alibaba_parameters.py::TestTheWalk::test_what_is_honoured_makes_a_difference",
            "test_alibaba_parameters.py::TestTheWalk::test_what_is_refused_is_named_with_the_reason",
            "test_alibaba_parameters.py::TestTheWalk::test_what_is_legacy_makes_no_difference",
            "test_alibaba_parameters.py::TestRecords::test_half_of_one_or_one_too_many_is_refused",
            "test_alibaba_parameters.py::TestWhatNoTableNames::test_is_refused_by_its_name",
            "test_alibaba_parameters.py::TestWhatNoTableNames::test_is_ignored_where_that_is_asked_for",
            "test_alibaba_parameters.py::TestWhatWouldGetLost::test_a_parameter_that_is_given_twice_is_refused",
            "test_alibaba_parameters.py::TestWhatWouldGetLost::test_a_body_that_is_no_form_is_refused",
        ),
    ),
    Feature(
        Fidelity.DOES,
        "Instances and disks with their documented fields and filters, pages and tokens; what they are made of is "
        "invented",
        "Alibaba Cloud's documentation and the newer SDK's models",
        (
            "test_alibaba_instances.py::TestDescriptions::test_fit_the_newer_sdks_model",
            "test_alibaba_instances.py::TestDescriptions::test_have_all_fields_but_those_of_previews",
            "test_alibaba_instances.py::TestFilters::test_all_of_them_together_leave_what_fits",
            "test_alibaba_instances.py::TestFilters::test_an_empty_list_of_ids_names_nobody_and_an_empty_text_everybody",
            "test_alibaba_instances.py::TestPages::test_tokens_lead_through_all_once_whatever_is_added_meanwhile",
        ),
    ),
    Feature(
        Fidelity.DOES,
        "Instances are started, stopped, restarted and redeployed, through the documented statuses",
        "Alibaba Cloud's documentation",
        (
            "test_alibaba_instances.py::TestCourses::test_of_an_instance_that_runs",
            "test_alibaba_instances.py::TestCourses::test_what_does_not_fit_the_status_is_refused",
        ),
    ),
    Feature(
        Fidelity.DOES,
        "A simulated maintenance is Scheduled, Executing at its time, then Executed; a failure is Executing at once",
        "Alibaba Cloud's documentation",
        (
            "test_alibaba_lifecycle.py::TestSimulatedEvents::test_maintenance_is_scheduled_executes_at_its_time_and_soon_has_executed",
            "test_alibaba_lifecycle.py::TestSimulatedEvents::test_a_failure_executes_at_once_and_has_executed_at_its_time",
        ),
    ),
    Feature(
        Fidelity.DOES,
        "A simulated event is called off while it is Scheduled or Executing",
        "Alibaba Cloud's documentation",
        (
            "test_alibaba_lifecycle.py::TestSimulatedEvents::test_it_is_called_off_as_long_as_it_has_not_ended",
            "test_alibaba_lifecycle.py::TestSimulatedEvents::test_it_is_called_off_while_it_executes",
        ),
    ),
    Feature(
        Fidelity.DOES,
        "RebootInstance avoids a scheduled SystemMaintenance.Reboot",
        "Alibaba Cloud's documentation",
        ("test_alibaba_instances.py::TestReboot::test_it_avoids_a_restart_that_is_scheduled_and_nothing_else",),
    ),
    Feature(
        Fidelity.DOES,
        "RedeployInstance answers the documented events, and is refused where there are none, or a simulated one",
        "Alibaba Cloud's documentation",
        (
            "test_alibaba_instances.py::TestRedeploy::test_it_answers_an_event_of_the_cloud_that_has_not_begun",
            "test_alibaba_instances.py::TestRedeploy::test_it_is_refused_while_there_is_a_simulated_event",
            "test_alibaba_instances.py::TestRedeploy::test_it_is_refused_where_there_is_no_event_that_it_answers",
        ),
    ),
    Feature(
        Fidelity.DOES,
        "An event that inquires waits for AcceptInquiredSystemEvent",
        "Alibaba Cloud's documentation",
        (
            "test_alibaba_lifecycle.py::TestTheCloudsOwnEvents::test_one_that_inquires_waits_for_its_owners_word_for_ever",
            "test_alibaba_lifecycle.py::TestTheCloudsOwnEvents::test_only_what_inquires_is_accepted",
        ),
    ),
    Feature(
        Fidelity.DOES,
        "The history and the full status with their filters, defaults, pages and tokens",
        "Alibaba Cloud's documentation",
        (
            "test_alibaba_api.py::TestFilters::test_the_history_shows_what_is_asked_for",
            "test_alibaba_api.py::TestFilters::test_the_full_status_shows_what_is_scheduled_or_asks_and_nothing_else",
            "test_alibaba_api.py::TestPages::test_tokens_lead_through_all_events_once",
        ),
    ),
    Feature(
        Fidelity.DOES,
        "What has ended is listed for 30 days",
        "Alibaba Cloud's documentation",
        ("test_alibaba_api.py::TestFilters::test_what_has_ended_is_shown_for_30_days_and_what_has_not_for_ever",),
    ),
    Feature(
        Fidelity.DOES,
        "Signatures of version 1 and 3, nonces, 15 minutes of skew, temporary keys",
        "Alibaba Cloud's documentation",
        (
            "test_alibaba_signatures.py::TestPublishedExamples::test_version_1_of_the_documentation",
            "test_alibaba_signatures.py::TestPublishedExamples::test_version_3_of_the_documentation",
            "test_alibaba_signatures.py::TestRefusals::test_a_signature_counts_once",
            "test_alibaba_signatures.py::TestTemporaryKeys::test_the_token_has_to_be_there_and_right",
        ),
    ),
    Feature(
        Fidelity.DOES,
        "Answers in XML or JSON as the real SDK of the vendor reads them",
        "run with the SDK",
        (
            "test_alibaba_api.py::TestShapes::test_an_answer_is_xml_unless_json_is_asked_for",
            "test_alibaba_sdk.py::TestOldSdk::test_the_flow_of_the_vendors_sample",
        ),
    ),
    Feature(
        Fidelity.DOES,
        "A throttled operation is refused until the next minute",
        "Alibaba Cloud's documentation",
        (
            "test_alibaba_api.py::TestThrottling::test_an_operation_is_refused_until_the_next_minute_and_the_others_are_not",
        ),
    ),
    Feature(
        Fidelity.DOES,
        "Metadata under `latest` and 2016-01-01, with and without a token: the documented items that fit these "
        "instances, the identity document, and the credentials of an instance role",
        "Alibaba Cloud's documentation",
        (
            "test_alibaba_metadata.py::TestValues::test_its_identity_is_a_document",
            "test_alibaba_metadata.py::TestValues::test_whatever_a_listing_names_answers",
            "test_alibaba_metadata.py::TestTokens::test_a_token_is_good_for_its_machine_until_it_expires",
            "test_alibaba_metadata.py::TestRole::test_its_credentials_are_good_for_the_api",
        ),
    ),
    Feature(
        Fidelity.DOES,
        "The release of a spot instance, in the metadata of that instance and as a lock",
        "Alibaba Cloud's documentation",
        (
            "test_alibaba_metadata.py::TestSpotRelease::test_its_time_stands_in_the_metadata_of_that_instance_alone",
            "test_alibaba_metadata.py::TestSpotRelease::test_the_api_lists_no_event_for_it_but_a_lock",
        ),
    ),
    Feature(
        Fidelity.DOES,
        "A notification for each status, as CloudMonitor sends it",
        "Alibaba Cloud's documentation",
        ("test_alibaba_notifications.py::TestContent::test_it_has_the_documented_fields",),
    ),
    Feature(
        Fidelity.DOES_NOT,
        "Anything of the instance itself: no event really stops or restarts it",
        "by design",
    ),
    Feature(
        Fidelity.DOES_NOT,
        "The other operations of ECS, and DescribeTasks for the task of a redeployment: `InvalidApi.NotFound`",
        "by design",
    ),
    Feature(
        Fidelity.DOES_NOT,
        "More than one region, zone, network and disk of an instance; public addresses",
        "by design",
    ),
    Feature(
        Fidelity.DOES_NOT,
        "In the metadata: the identity's signature, which only the vendor can make; user data; public keys; images of "
        "the marketplace",
        "by design",
    ),
    Feature(
        Fidelity.DOES_NOT,
        "Disk events, which cannot be simulated on the real service either",
        "Alibaba Cloud's documentation",
    ),
    Feature(
        Fidelity.DOES_NOT,
        "RAM policies: a key that is known may do everything",
        "by design",
    ),
    Feature(
        Fidelity.UNVERIFIED,
        "Maintenance stays Executing for 60 s; a setting changes that",
        "no source",
    ),
    Feature(
        Fidelity.UNVERIFIED,
        "1,000 simulated events may be active at once; a setting changes that",
        "the number is not published",
    ),
    Feature(
        Fidelity.UNVERIFIED,
        "An instance takes 10 s to stop, 2 s by force, and 20 s to start",
        "no source",
    ),
    Feature(
        Fidelity.UNVERIFIED,
        "ModifySystemEventAttribute moves what is Scheduled, simulated or not, and refuses the rest",
        "its parameters alone are public",
    ),
    Feature(
        Fidelity.UNVERIFIED,
        "Only MetadataOptions and Placement can be asked for as additional attributes",
        "what the others add is not documented",
    ),
    Feature(
        Fidelity.UNVERIFIED,
        "The numeric codes of types and statuses, but for the few that are public",
        "no source",
    ),
    Feature(
        Fidelity.UNVERIFIED,
        "`DiskIds` of `[]` names no disk, as `InstanceIds` names no instance; a translation of 2018 says all disks",
        "sources that differ",
    ),
    Feature(
        Fidelity.UNVERIFIED,
        "A parameter that is given twice, and a body that is no form, are refused",
        "no source",
    ),
    Feature(
        Fidelity.UNVERIFIED,
        "Of a batch with one bad id nothing is done",
        "no source",
    ),
)
"""See `stormcone_simulators.fidelity`."""
