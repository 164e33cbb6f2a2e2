"""How true the Azure simulator is to Scheduled Events."""

from stormcone_simulators.fidelity import Feature, Fidelity, Sheet

SHEET: Sheet = (
    Feature(
        Fidelity.DOES,
        "The document with the fields of each api-version, in the order of the service",
        "Azure's documentation",
        (
            "test_azure_documents.py::TestVersions::test_a_version_has_its_fields_in_the_services_order",
            "test_azure_documents.py::TestFields::test_an_event_as_documented",
        ),
    ),
    Feature(
        Fidelity.DOES,
        "Only the event types that an api-version knows; underscored names in the preview",
        "Azure's documentation",
        (
            "test_azure_documents.py::TestVersions::test_a_version_shows_only_the_types_that_it_knows",
            "test_azure_documents.py::TestVersions::test_the_preview_writes_names_with_a_leading_underscore",
        ),
    ),
    Feature(
        Fidelity.DOES,
        "400 without the header `Metadata: true`, and for a missing or unknown api-version",
        "Azure's documentation",
        (
            "test_azure_documents.py::TestRefusals::test_without_the_header_a_request_is_bad",
            "test_azure_documents.py::TestRefusals::test_an_unknown_or_missing_version_is_a_bad_request",
        ),
    ),
    Feature(
        Fidelity.DOES,
        "`NotBefore` as RFC 1123, empty once started; ids as upper-case GUIDs, the same to the end",
        "documentation and field",
        (
            "test_azure_documents.py::TestFields::test_once_started_there_is_no_not_before",
            "test_azure_documents.py::TestFields::test_ids_are_upper_case_guids",
        ),
    ),
    Feature(
        Fidelity.DOES,
        "A new id once an event has started, where that is switched on",
        "the vendor's mock server",
        ("test_azure_rules.py::TestNewIds::test_an_event_that_starts_has_a_new_id_and_keeps_it",),
    ),
    Feature(
        Fidelity.DOES,
        "Scheduled, Started, gone: by time, by approval, or called off",
        "Azure's documentation",
        (
            "test_azure_rules.py::TestWhenItStarts::test_it_waits_for_its_time_stays_started_and_is_gone",
            "test_azure_states.py::TestAzureStates::runTest",
        ),
    ),
    Feature(
        Fidelity.DOES,
        "All machines of a group see its events; an isolated group only its own",
        "Azure's documentation",
        (
            "test_azure_rules.py::TestWhoSeesAnEvent::test_every_machine_of_the_group_sees_it",
            "test_azure_rules.py::TestWhoSeesAnEvent::test_in_an_isolated_group_only_the_machine_itself_does",
        ),
    ),
    Feature(
        Fidelity.DOES,
        "One approval speaks for all machines; repeated it does no harm; any content type and api-version",
        "documentation and field",
        (
            "test_azure_rules.py::TestApproval::test_one_machine_speaks_for_all",
            "test_azure_rules.py::TestApproval::test_it_is_fine_to_approve_again_and_after_the_start",
            "test_azure_rules.py::TestApproval::test_any_content_type_does",
            "test_azure_rules.py::TestApproval::test_another_version_than_the_one_read_does",
        ),
    ),
    Feature(
        Fidelity.DOES,
        "On shared hardware an approval is noted and the event waits for its time",
        "Azure's documentation",
        ("test_azure_rules.py::TestApproval::test_on_shared_hardware_an_approval_is_only_noted",),
    ),
    Feature(
        Fidelity.DOES,
        "`DocumentIncarnation` counts changes, skips, and starts over after a day without a request",
        "documentation and field",
        (
            "test_azure_rules.py::TestIncarnation::test_it_starts_at_one_and_counts_changes_only",
            "test_azure_rules.py::TestIncarnation::test_it_skips_what_nobody_saw",
            "test_azure_rules.py::TestIncarnation::test_it_starts_over_after_a_day_without_a_request_of_that_machine",
        ),
    ),
    Feature(
        Fidelity.DOES,
        "The first request switches the service on, which may take up to 2 minutes",
        "Azure's documentation",
        ("test_azure_rules.py::TestFirstCall::test_the_first_answer_takes_its_time_and_the_next_ones_do_not",),
    ),
    Feature(
        Fidelity.DOES,
        "`ETag` and 304, where that is switched on",
        "seen in the field",
        ("test_azure_documents.py::TestEtags::test_the_same_document_is_not_sent_twice",),
    ),
    Feature(
        Fidelity.DOES,
        "The instance document, whole and in parts",
        "Azure's documentation",
        ("test_azure_documents.py::TestInstance::test_the_whole_document_and_its_parts_agree",),
    ),
    Feature(
        Fidelity.DOES,
        "Programs written after the samples of the vendor work unchanged",
        "Azure's documentation",
        (
            "test_vendor_samples.py::test_a_loop_that_watches_the_incarnation_and_confirms_what_is_its_own",
            "test_vendor_samples.py::test_a_program_behind_a_proxy_setting_reaches_it_as_if_it_were_one",
        ),
    ),
    Feature(
        Fidelity.DOES_NOT,
        "Anything of the machine itself: nothing is paused, restarted, moved or deleted",
        "by design",
    ),
    Feature(
        Fidelity.DOES_NOT,
        "A live event that turns into another type (a Reboot that becomes a Freeze)",
        "Azure's documentation",
    ),
    Feature(
        Fidelity.DOES_NOT,
        "Waiting for the approvals of single machines one by one: an event waits for one approval or for its time",
        "Azure's documentation",
    ),
    Feature(
        Fidelity.DOES_NOT,
        "Other parts of the metadata service: identity tokens, attested data, load balancer",
        "by design",
    ),
    Feature(
        Fidelity.UNVERIFIED,
        "How long a Freeze (5 min), a Preempt or a Terminate (1 min) stays started",
        "no source",
    ),
    Feature(
        Fidelity.UNVERIFIED,
        "With one unknown id in a request no event of the request is approved, and the answer is 400",
        "no source",
    ),
    Feature(
        Fidelity.UNVERIFIED,
        "Whether the incarnation counts for each machine or for the group",
        "no source",
    ),
)
"""See `stormcone_simulators.fidelity`."""
