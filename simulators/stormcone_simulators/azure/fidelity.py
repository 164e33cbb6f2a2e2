"""How true the Azure simulator is to the metadata service: Scheduled Events and instance metadata."""

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
        "400 without the header `Metadata: true`, with `X-Forwarded-For`, for a missing or unknown api-version, which "
        "names the newest ones, and for a parameter that is given twice",
        "Azure's documentation",
        (
            "test_azure_service.py::TestEveryEndpoint::test_not_without_the_header",
            "test_azure_service.py::TestEveryEndpoint::test_not_through_a_proxy_that_says_so",
            "test_azure_service.py::test_every_version_that_there_is_not_is_refused",
            "test_azure_service.py::TestBodies::test_without_a_version_the_newest_ones_are_named",
            "test_azure_service.py::TestEveryEndpoint::test_with_no_parameter_twice",
        ),
    ),
    Feature(
        Fidelity.DOES,
        "404 for what is not there; 405 with `Allow` for a method that is not: `HEAD`, for one",
        "Azure's documentation",
        (
            "test_azure_service.py::TestNowhere::test_what_is_not_there_is_not_found",
            "test_azure_service.py::TestEveryEndpoint::test_by_no_other_method",
        ),
    ),
    Feature(
        Fidelity.DOES,
        "The bodies of 403, 404, 405, 429, 500 and 503",
        "the definition of the API that Azure publishes",
        ("test_azure_service.py::TestBodies::test_of_a_status_that_is_played",),
    ),
    Feature(
        Fidelity.DOES,
        "429 to more than 5 requests a second of one machine, or 20 to managed identity, where that is switched on",
        "Azure's documentation",
        (
            "test_azure_rules.py::TestThrottling::test_the_sixth_request_in_a_second_is_refused_whatever_it_asks",
            "test_azure_rules.py::TestThrottling::test_managed_identity_has_a_limit_of_its_own",
        ),
    ),
    Feature(
        Fidelity.DOES,
        "`Date`, by the simulator's clock, and `Server: IMDS/...`",
        "seen in the field",
        ("test_azure_service.py::TestHeaders::test_every_answer_is_dated_by_the_simulators_clock_and_signed",),
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
        "Events reach a machine up to 5 minutes after its first request",
        "Azure's documentation",
        (
            "test_azure_rules.py::TestEventsThatComeLater::test_they_reach_a_machine_five_minutes_after_its_first_request",
        ),
    ),
    Feature(
        Fidelity.DOES,
        "`ETag` and 304, by a list of tags or by `*`, where that is switched on",
        "seen in the field",
        (
            "test_azure_documents.py::TestEtags::test_the_same_document_is_not_sent_twice",
            "test_azure_documents.py::TestEtags::test_a_client_may_know_several_or_any",
        ),
    ),
    Feature(
        Fidelity.DOES,
        "The instance document in 35 versions, each with its fields and no others; the preview with its own names",
        "Azure's documentation, and documents of real machines",
        (
            "test_azure_instance.py::TestVersions::test_a_version_has_the_fields_that_real_documents_have",
            "test_azure_instance.py::TestVersions::test_every_field_comes_with_its_version",
        ),
    ),
    Feature(
        Fidelity.DOES,
        "One network interface for each machine, with addresses of its own; disks, a public key, the host name",
        "Azure's documentation; host names of scale sets: seen in the field",
        (
            "test_azure_instance.py::TestMachines::test_each_has_one_interface_with_an_address_of_its_own_in_the_subnet",
            "test_azure_instance.py::TestMachines::test_a_scale_sets_machine_has_a_host_name_of_its_own",
        ),
    ),
    Feature(
        Fidelity.DOES,
        "Parts of it by path, lists by index; a single value as text only, and 400 without `format=text`",
        "Azure's documentation",
        (
            "test_azure_instance.py::TestParts::test_every_node_can_be_asked_for_in_its_forms",
            "test_azure_instance.py::TestParts::test_what_is_not_in_the_document_is_not_found",
        ),
    ),
    Feature(
        Fidelity.DOES,
        "With `format=text` a list of what is below, the root `/metadata` too, and errors as text",
        "seen in the field",
        (
            "test_azure_instance.py::TestParts::test_as_text_a_node_lists_what_is_below_it",
            "test_azure_service.py::test_the_root_lists_what_there_is",
            "test_azure_service.py::TestBodies::test_who_asks_for_text_is_refused_in_text",
        ),
    ),
    Feature(
        Fidelity.DOES,
        "`extended=true`, with which no part of the instance document may be missing: none ever is",
        "seen in the field",
        ("test_azure_service.py::TestEveryEndpoint::test_with_the_values_of_its_parameters",),
    ),
    Feature(
        Fidelity.DOES,
        "`/metadata/versions`",
        "Azure's documentation",
        ("test_azure_service.py::test_the_versions_are_told",),
    ),
    Feature(
        Fidelity.DOES,
        "`/metadata/identity` of a machine without a managed identity, and `/metadata/loadbalancer` of one without a "
        "load balancer: both say so at once",
        "documentation and field",
        ("test_azure_service.py::TestEveryEndpoint::test_in_every_version_and_by_every_method_that_it_has",),
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
        "Tokens, attested data (404), user data, tags, a public address: no machine has any of them",
        "by design",
    ),
    Feature(
        Fidelity.DOES_NOT,
        "The limit of 5 requests at once to managed identity",
        "Azure's documentation",
    ),
    Feature(
        Fidelity.DOES_NOT,
        "Fields that the page's table has and neither its samples nor the published definition: `diffDiskSettings`, "
        "`encryptionSettings` and `osType` of a data disk",
        "Azure's documentation",
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
        "400 for a parameter of the query, or a field of an approval, that the service does not have, but for "
        "`DocumentIncarnation`, which clients send: whatever is not there is refused, so that no slip goes unseen",
        "no source",
    ),
    Feature(
        Fidelity.UNVERIFIED,
        "400 as the status of a request with `X-Forwarded-For` or a parameter twice: both are documented as rejected",
        "no source",
    ),
    Feature(
        Fidelity.UNVERIFIED,
        "`/metadata/versions` demands the header: the page says that every request must have it, and the published "
        "definition does not",
        "sources that differ",
    ),
    Feature(
        Fidelity.UNVERIFIED,
        "Scheduled Events has its own seven versions, a refusal names the newest of these, and no others will do",
        "no source for the refusal",
    ),
    Feature(
        Fidelity.UNVERIFIED,
        "The case of paths, of names in them and of the header's value does not matter, nor does a slash at the end",
        "no source but that the vendor's agent sends `True`, and a slash",
    ),
    Feature(
        Fidelity.UNVERIFIED,
        "The order in which what is wrong with a request is looked for, and the words after those that are documented",
        "no source",
    ),
    Feature(
        Fidelity.UNVERIFIED,
        "With the limit switched on, the second slides, refused requests do not count, and 429 has no `Retry-After`",
        "no source",
    ),
    Feature(
        Fidelity.UNVERIFIED,
        "The host, host group and scale set of a machine that has none: empty, and there; `info` of a machine without "
        "a managed identity",
        "no source",
    ),
    Feature(
        Fidelity.UNVERIFIED,
        "Whether the incarnation counts for each machine or for the group",
        "no source",
    ),
)
"""See `stormcone_simulators.fidelity`."""
