"""How true the Google Cloud simulator is to a VM's metadata server and to the Compute API."""

from stormcone_simulators.fidelity import Feature, Fidelity, Sheet

_QUERYING = "Compute Engine's documentation of querying metadata"
_KEYS = "Compute Engine's documentation of predefined metadata keys"
_NOTICE = "Compute Engine's documentation of live migration notices"
_PLANNED = "Compute Engine's documentation of monitoring planned maintenance"

_API = "the definition of the API that Google publishes, by its client library"

SHEET: Sheet = (
    Feature(
        Fidelity.DOES,
        "403 without the header `Metadata-Flavor: Google` and with `X-Forwarded-For`; the header in every answer",
        _QUERYING,
        (
            "test_google_metadata.py::TestEveryRequest::test_needs_the_header",
            "test_google_metadata.py::TestEveryRequest::test_must_not_have_come_through_a_proxy",
            "test_google_metadata.py::TestEveryRequest::test_is_answered_as_googles_server_does",
        ),
    ),
    Feature(
        Fidelity.DOES,
        "The keys of a VM and of its project; folders, which list what is below them and end with a slash",
        _KEYS,
        (
            "test_google_metadata.py::TestValues::test_a_vm_learns_of_itself",
            "test_google_metadata.py::TestValues::test_ids_are_numbers_that_stay",
            "test_google_metadata.py::TestForms::test_a_folder_lists_what_is_below_it",
            "test_google_metadata.py::TestForms::test_a_folder_without_its_slash_is_elsewhere",
        ),
    ),
    Feature(
        Fidelity.DOES,
        "`recursive=true`, and `alt=json` or `alt=text`",
        _QUERYING,
        (
            "test_google_metadata.py::TestForms::test_recursively_it_is_json_in_camel_case",
            "test_google_metadata.py::TestForms::test_a_value_may_be_json",
        ),
    ),
    Feature(
        Fidelity.DOES,
        "An `ETag` for every key, and `wait_for_change` on every key, with `last_etag` and `timeout_sec`",
        _QUERYING,
        (
            "test_google_metadata.py::TestWaiting::test_has_an_etag_for_every_key_that_says_what_it_is",
            "test_google_metadata.py::TestWaiting::test_answers_at_once_where_the_etag_is_another",
            "test_google_metadata.py::TestWaiting::test_ends_as_soon_as_something_below_the_key_changes",
            "test_google_metadata.py::TestWaiting::test_needs_no_etag_to_begin_with",
            "test_google_metadata.py::TestWaiting::test_ends_with_what_is_known_once_its_time_is_up",
        ),
    ),
    Feature(
        Fidelity.DOES,
        "`maintenance-event` with 60 s of notice for a VM that has read the key since the last maintenance; none "
        "for others",
        _NOTICE,
        (
            "test_google_metadata.py::TestWhatIsAnnounced::test_maintenance_is_one_word_until_it_is_over",
            "test_google_rules.py::TestNotice::test_of_60_seconds_is_granted_to_who_reads_the_key",
        ),
    ),
    Feature(
        Fidelity.DOES,
        "`preempted`, with 30 s to shut down, and 120 s before that where the VM was made so; never called off",
        "Compute Engine's documentation of Spot VMs",
        (
            "test_google_metadata.py::TestWhatIsAnnounced::test_a_vm_that_is_taken_away_is_told",
            "test_google_rules.py::TestNotice::test_of_a_preemption_is_that_of_the_vm",
            "test_google_rules.py::TestCallingOff::test_is_refused_of_a_preemption_and_of_what_has_begun",
        ),
    ),
    Feature(
        Fidelity.DOES,
        "`upcoming-maintenance` as its sample has it: snake case, text for booleans",
        _PLANNED,
        ("test_google_metadata.py::TestWhatIsAnnounced::test_a_window_is_told_in_each_spelling",),
    ),
    Feature(
        Fidelity.DOES,
        "What maintenance does to a VM follows from the VM's own settings",
        "Compute Engine's documentation of host maintenance policies",
        (
            "test_google_rules.py::TestAVm::test_takes_the_settings_that_its_events_need",
            "test_google_rules.py::TestAVm::test_that_was_set_up_for_good_refuses_others",
        ),
    ),
    Feature(
        Fidelity.DOES,
        "The Compute API's `instances.get` and `list`, with `resourceStatus.upcomingMaintenance` and `scheduling`; "
        "`performMaintenance`, `simulateMaintenanceEvent` and the zone's operations, for Google's own client library",
        _API,
        (
            "test_google_compute.py::TestTheRealLibrary::test_reads_a_vm",
            "test_google_compute.py::TestTheRealLibrary::test_waits_for_an_operation_to_its_end",
            "test_google_compute.py::TestTheRealLibrary::test_simulates_maintenance",
            "test_google_compute.py::TestMaintenance::test_that_is_planned_can_be_begun",
            "test_google_compute.py::TestMaintenance::test_that_is_simulated_is_what_the_vms_settings_say",
        ),
    ),
    Feature(
        Fidelity.DOES,
        "`testIamPermissions` for what the calls here need; a service account that lacks a permission (`denied`) is "
        "refused what needs it",
        _API,
        (
            "test_google_compute.py::TestPermissions::test_are_told_as_far_as_they_are_granted",
            "test_google_compute.py::TestPermissions::test_what_is_denied_is_refused",
        ),
    ),
    Feature(
        Fidelity.DOES,
        "Tokens of a VM's service account, which every call of the API needs; errors of the API's form",
        _API,
        (
            "test_google_metadata.py::TestForms::test_tokens_stand_in_no_document",
            "test_google_compute.py::TestEveryCall::test_needs_a_token_of_the_metadata_server",
            "test_google_compute.py::TestEveryCall::test_that_there_is_not_is_refused_in_the_apis_own_way",
            "test_google_compute.py::TestTheRealLibrary::test_sees_a_refusal_as_what_it_is",
        ),
    ),
    Feature(
        Fidelity.DOES_NOT,
        "The rest of the Compute API, `fields`, and `withExtendedNotifications`: refused in the API's own way",
        _API,
        ("test_google_compute.py::TestEveryCall::test_that_there_is_not_is_refused_in_the_apis_own_way",),
    ),
    Feature(
        Fidelity.UNVERIFIED,
        "Which maintenance the customer may begin (that of the type SCHEDULED), what is said where there is none, and "
        "that an operation is done once somebody asks for it",
        "no page says it",
        ("test_google_compute.py::TestMaintenance::test_that_is_not_cannot",),
    ),
    Feature(
        Fidelity.DOES_NOT,
        "Guest attributes, custom metadata, `shutdown-details`, OS Login, and HTTPS of the metadata server: 404",
        _KEYS,
    ),
    Feature(
        Fidelity.DOES_NOT,
        "Identity tokens: 404. Access tokens open nothing but the simulator",
        "Compute Engine's documentation of service accounts",
    ),
    Feature(
        Fidelity.DOES_NOT,
        "Stop, restart or reset a VM, whatever its maintenance does",
        "Compute Engine's documentation of the life of a VM",
    ),
    Feature(
        Fidelity.UNVERIFIED,
        "The camel and kebab case of `upcoming-maintenance`, and the five ways to say that nothing is scheduled",
        "clients in the field read them",
        (
            "test_google_metadata.py::TestWhatIsAnnounced::test_a_window_has_leaves_of_its_own",
            "test_google_metadata.py::TestWhatIsAnnounced::test_nothing_is_told_in_five_ways",
        ),
    ),
    Feature(
        Fidelity.UNVERIFIED,
        "Planned maintenance is told in `upcoming-maintenance` alone, and not in `maintenance-event` as its time comes",
        "no page says whether the second follows",
    ),
    Feature(
        Fidelity.UNVERIFIED,
        "How long maintenance lasts, how long its window is, and how much later than first said it may start",
        "invented",
    ),
    Feature(
        Fidelity.UNVERIFIED,
        "An hour of notice in `maintenance-event` of a VM that is terminated for it",
        "Google's own handler waits so long; no page says it",
    ),
    Feature(
        Fidelity.UNVERIFIED,
        "The pages of statuses, 400 for unknown parameters, and the text of what is asked for recursively",
        "no page shows them",
        (
            "test_google_metadata.py::TestFailing::test_is_a_page_of_that_status",
            "test_google_metadata.py::TestEveryRequest::test_that_says_what_there_is_not_is_refused",
            "test_google_metadata.py::TestForms::test_recursively_as_text_each_value_has_a_line",
        ),
    ),
)
