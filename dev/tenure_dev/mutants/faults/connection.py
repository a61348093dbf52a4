"""Faults in how Tenure connects to the API server, and in how others reach Tenure."""

from tenure_dev.mutants.fault import Fault

_CONNECTION = "tests/unit/kube/test_connection.py"
_KUBECONFIG = "tests/unit/kube/test_kubeconfig.py"
_LINKS = "tests/unit/test_service_links.py"

FAULTS = (
    Fault(
        name="authority-read-once",
        guard="After a rotation of the cluster's authority, the next connection trusts only the new one.",
        where="RenewedContext.current",
        before="if material != self._material:",
        after="if False:",
        caught_by=(
            f"{_CONNECTION}::test_a_rotated_authority_is_trusted_by_the_next_connection_and_the_old_one_no_longer",
        ),
    ),
    Fault(
        name="empty-authority",
        guard="If the file of the authority is empty, no other authority of the machine is trusted.",
        where="_context",
        before='if authority is not None and "BEGIN" not in authority:',
        after="if False:",
        caught_by=(f"{_CONNECTION}::test_a_spoilt_authority_is_refused_at_the_start",),
    ),
    Fault(
        name="rejected-token",
        guard="If the API server rejects a token, it is read again immediately.",
        where="Connection._authenticate",
        before="self.credentials.reject(sent)",
        after="",
        caught_by=(f"{_CONNECTION}::test_a_rejected_token_is_read_again_at_once",),
    ),
    Fault(
        name="impersonation-left-out",
        guard="A kubeconfig with `as` never acts with the rights of the user who impersonates.",
        where="Connection._authenticate",
        before="request.headers.extend(self.impersonated)",
        after="",
        caught_by=(f"{_CONNECTION}::test_impersonation_is_sent_with_each_request",),
    ),
    Fault(
        name="credentials-elsewhere",
        guard="After a redirect to another host, no credentials are sent.",
        where="Connection._authenticate",
        before="if request.url.host != urlsplit(self.server).hostname:",
        after="if False:",
        caught_by=(f"{_CONNECTION}::test_a_redirect_to_another_host_gets_no_credentials",),
    ),
    Fault(
        name="expired-credentials",
        guard="The exec plugin of a kubeconfig runs again when its credentials have expired.",
        where="ExecPlugin.credentials",
        before="given.expiration_timestamp <= datetime.now(UTC)",
        after="False",
        caught_by=("tests/unit/kube/test_exec_plugin.py::test_it_runs_again_once_its_token_has_expired",),
    ),
    Fault(
        name="no-proxy",
        guard="A host that NO_PROXY names is reached without the proxy.",
        where="find_proxy",
        before='if _is_excluded(target, environ.get("NO_PROXY") or environ.get("no_proxy") or ""):',
        after="if False:",
        caught_by=("tests/unit/kube/test_proxies.py::test_no_proxy_names_hosts_domains_and_networks",),
    ),
    Fault(
        name="first-file",
        guard="If several kubeconfig files have an entry of the same name, the first one counts.",
        where="_first",
        before="found.setdefault(entry.name, (folder, entry))",
        after="found[entry.name] = (folder, entry)",
        caught_by=(f"{_KUBECONFIG}::test_of_several_files_the_first_entry_counts_and_paths_belong_to_their_file",),
    ),
    Fault(
        name="one-family",
        guard="A listener without a host serves IPv4 and IPv6.",
        where="_bound",
        before="both = host in _ALL and socket.has_dualstack_ipv6()",
        after="both = False",
        caught_by=("tests/unit/test_listening.py::test_without_a_host_both_families_are_served",),
    ),
    Fault(
        name="rewritten-registration",
        guard="Tenure notices if another program rewrites a selector of the webhook configuration.",
        where="find_alterations",
        before="if changed:",
        after="if False:",
        caught_by=("tests/unit/admission/test_registration.py::test_the_webhook_and_the_field_are_named",),
    ),
    Fault(
        name="unchecked-server",
        guard="The API server's certificate and host name are checked, unless the kubeconfig says otherwise.",
        where="_context",
        before="if insecure:",
        after="if True:",
        caught_by=(f"{_CONNECTION}::test_chain_and_host_name_are_checked_and_key_identifiers_are_not",),
    ),
    Fault(
        name="key-identifiers",
        guard="An authority without key identifiers, as that of EKS, is accepted on every Python.",
        where="_context",
        before="context.verify_flags &= ~ssl.VERIFY_X509_STRICT",
        after="context.verify_flags |= ssl.VERIFY_X509_STRICT",
        caught_by=(f"{_CONNECTION}::test_chain_and_host_name_are_checked_and_key_identifiers_are_not",),
    ),
    Fault(
        name="service-variables",
        guard="The variables that Kubernetes makes of Services are no settings.",
        where="_is_service_link",
        before="if _URL_LINK.fullmatch(name) and _URL.fullmatch(value):",
        after="if False:",
        caught_by=(f"{_LINKS}::test_no_service_changes_or_adds_a_setting",),
    ),
    Fault(
        name="mistyped-variable",
        guard="A mistyped setting that looks like the variable of a Service is refused.",
        where="_is_service_link",
        before=" and _URL.fullmatch(value)",
        after="",
        caught_by=(f"{_LINKS}::test_a_typing_error_that_looks_like_a_service_is_refused",),
    ),
)
