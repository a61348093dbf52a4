"""Reads kubeconfig files by the rules of kubectl."""

import base64
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, TypeVar

import yaml
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError
from pydantic.alias_generators import to_camel

from tenure.errors import StartRefusedError

_EXEC_EXTENSION = "client.authentication.k8s.io/exec"
_EXEC_VERSIONS = ("client.authentication.k8s.io/v1", "client.authentication.k8s.io/v1beta1")
_INTERACTIVE_MODES = ("Never", "IfAvailable", "Always")


def _decode(value: Any) -> Any:
    return base64.b64decode("".join(value.split()), validate=True) if isinstance(value, str) else value


_Decoded = Annotated[bytes, BeforeValidator(_decode)]


class _Entry(BaseModel):
    model_config = ConfigDict(frozen=True, alias_generator=lambda name: name.replace("_", "-"))


class _Extension(_Entry):
    name: str = ""
    extension: Any = None


class ClusterEntry(_Entry):
    """A cluster of a kubeconfig, with absolute paths."""

    server: str = ""
    tls_server_name: str = ""
    insecure_skip_tls_verify: bool = False
    certificate_authority: str = ""
    certificate_authority_data: _Decoded = b""
    proxy_url: str = ""
    disable_compression: bool = False
    extensions: Sequence[_Extension] = ()

    def authority(self) -> bytes | None:
        """Return the authorities that sign the server's certificate, as PEM. None: those that this machine trusts.

        Raises:
            OSError: the file can't be read.
        """
        if self.certificate_authority_data:
            return self.certificate_authority_data
        return Path(self.certificate_authority).read_bytes() if self.certificate_authority else None

    def described(self) -> Mapping[str, Any]:
        """Describe the cluster to the program that gives credentials for it."""
        files = {"certificate_authority", "certificate_authority_data", "extensions"}
        fields = self.model_dump(mode="json", by_alias=True, exclude_defaults=True, exclude=files)
        if authority := self.authority():
            fields["certificate-authority-data"] = base64.b64encode(authority).decode()
        for one in self.extensions:
            if one.name == _EXEC_EXTENSION:
                fields["config"] = one.extension
        return fields


class _Variable(_Entry):
    name: str
    value: str = ""


class ExecEntry(BaseModel):
    """A program that gives credentials."""

    model_config = ConfigDict(frozen=True, alias_generator=to_camel)

    api_version: str = ""
    command: str = ""
    args: Sequence[str] = ()
    env: Sequence[_Variable] = ()
    install_hint: str = ""
    provide_cluster_info: bool = False
    interactive_mode: str = "IfAvailable"


class _AuthProvider(_Entry):
    name: str = ""
    config: Mapping[str, str] = Field(default_factory=dict)


class UserEntry(_Entry):
    """A user of a kubeconfig, with absolute paths."""

    client_certificate: str = ""
    client_certificate_data: _Decoded = b""
    client_key: str = ""
    client_key_data: _Decoded = b""
    token: str = ""
    token_file: str = Field("", alias="tokenFile")
    impersonated: str = Field("", alias="as")
    impersonated_uid: str = Field("", alias="as-uid")
    impersonated_groups: Sequence[str] = Field((), alias="as-groups")
    impersonated_extra: Mapping[str, Sequence[str]] = Field(default_factory=dict, alias="as-user-extra")
    username: str = ""
    password: str = ""
    auth_provider: _AuthProvider | None = None
    exec: ExecEntry | None = None

    def certificate(self) -> bytes:
        """Return the client's certificate and its key as PEM. Data counts before a file.

        Raises:
            OSError: a file can't be read.
        """
        parts = (
            (self.client_certificate_data, self.client_certificate),
            (self.client_key_data, self.client_key),
        )
        return b"\n".join(data or Path(path).read_bytes() for data, path in parts if data or path)


class _Context(_Entry):
    cluster: str = ""
    user: str = ""
    namespace: str = ""


class _Named(_Entry):
    name: str = ""


class _NamedCluster(_Named):
    cluster: ClusterEntry = ClusterEntry()


class _NamedUser(_Named):
    user: UserEntry = UserEntry()


class _NamedContext(_Named):
    context: _Context = _Context()


class _File(_Entry):
    clusters: Sequence[_NamedCluster] = ()
    users: Sequence[_NamedUser] = ()
    contexts: Sequence[_NamedContext] = ()
    current_context: str = ""


@dataclass(frozen=True)
class Kubeconfig:
    """A context, with its cluster and its user."""

    cluster: ClusterEntry
    user: UserEntry
    context: str = ""
    cluster_name: str = ""
    namespace: str = ""
    """The context's namespace, or empty if it names none."""

    @property
    def server(self) -> str:
        """The API server's URL, without a trailing slash."""
        server = self.cluster.server.rstrip("/")
        if "://" in server:
            return server
        secured = self.cluster.insecure_skip_tls_verify or self.cluster.authority() or self.user.certificate()
        return f"{'https' if secured else 'http'}://{server}"


N = TypeVar("N", bound=_Named)


def read_kubeconfig(paths: str, context: str = "") -> Kubeconfig:
    """Read the files of a `KUBECONFIG` variable, and return a context, or the current one if none is named.

    Of several files with the same entry, the first one counts. Missing files are ignored if another one exists.

    Raises:
        StartRefusedError: a file can't be read or isn't a kubeconfig, or it lacks an entry.
    """
    files = [(Path(path).absolute(), _read(Path(path), only=paths == path)) for path in paths.split(os.pathsep) if path]
    found = [(path.parent, file) for path, file in files if file is not None]
    if not found:
        raise StartRefusedError("none of these files exists")
    current = context or next((file.current_context for _, file in found if file.current_context), "")
    if not current:
        raise StartRefusedError("there is no current-context. Choose one: kubectl config use-context NAME")
    contexts = _first((folder, entry) for folder, file in found for entry in file.contexts)
    clusters = _first((folder, entry) for folder, file in found for entry in file.clusters)
    users = _first((folder, entry) for folder, file in found for entry in file.users)
    asked = f"--context {current}" if context else f"current-context: {current}"
    _, entry = _chosen(contexts, "contexts", current, asked)
    folder, cluster = _chosen(clusters, "clusters", entry.context.cluster, f"contexts[{current}].context.cluster")
    chosen, person = _absolute(folder, cluster.cluster, "certificate_authority"), UserEntry()
    if entry.context.user:
        folder, user = _chosen(users, "users", entry.context.user, f"contexts[{current}].context.user")
        person = _user(folder, user.user)
    if flaw := _flaw(chosen, person):
        raise StartRefusedError(flaw)
    return Kubeconfig(chosen, person, current, entry.context.cluster, entry.context.namespace)


def context_names(paths: str) -> list[str]:
    """Return the names of all contexts in the files of a `KUBECONFIG` variable.

    Raises:
        StartRefusedError: a file can't be read or isn't a kubeconfig.
    """
    files = (_read(Path(path), only=False) for path in paths.split(os.pathsep) if path)
    return list(dict.fromkeys(entry.name for file in files if file is not None for entry in file.contexts))


def _flaw(cluster: ClusterEntry, user: UserEntry) -> str:
    """Return why these entries can't be used, or an empty text. Apart from `auth-provider`, kubectl says the same."""
    authority = cluster.certificate_authority or cluster.certificate_authority_data
    certificate = user.client_certificate or user.client_certificate_data
    key = user.client_key or user.client_key_data
    details = user.impersonated_uid or user.impersonated_groups or user.impersonated_extra
    provider, plugin = user.auth_provider, user.exec
    checks = (
        (not cluster.server, "the current context's cluster has no server"),
        (
            cluster.insecure_skip_tls_verify and authority,
            "a cluster with insecure-skip-tls-verify can't have a certificate-authority. Remove one of them",
        ),
        (
            bool(certificate) is not bool(key),
            "client-certificate and client-key belong together. Set both, or neither",
        ),
        (details and not user.impersonated, "as-uid, as-groups and as-user-extra need the field as"),
        (
            provider is not None and not provider.config.get("id-token"),
            (
                f"Tenure can't log in with auth-provider {provider.name if provider else ''}. Replace it with an exec "
                "plugin, for example kubelogin or gke-gcloud-auth-plugin"
            ),
        ),
        (
            plugin is not None and plugin.api_version not in _EXEC_VERSIONS,
            f"exec: the apiVersion must be {' or '.join(_EXEC_VERSIONS)}",
        ),
        (
            plugin is not None and plugin.interactive_mode not in _INTERACTIVE_MODES,
            f"exec: the interactiveMode must be one of {', '.join(_INTERACTIVE_MODES)}",
        ),
        (plugin is not None and not plugin.command, "exec: there is no command"),
    )
    return next((flaw for wrong, flaw in checks if wrong), "")


def _read(path: Path, *, only: bool) -> _File | None:
    try:
        document = yaml.safe_load(path.read_bytes())
    except FileNotFoundError as error:
        if only:
            raise StartRefusedError(str(error)) from error
        return None
    except OSError as error:
        raise StartRefusedError(str(error)) from error
    except (UnicodeDecodeError, yaml.reader.ReaderError):
        document = ""
    except yaml.YAMLError as error:
        raise StartRefusedError(f"{path}: {' '.join(str(error).split())}") from error
    if not isinstance(document, dict):
        raise StartRefusedError(f"{path} isn't a kubeconfig file")
    try:
        return _File.model_validate(without_null(document))
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        field = ".".join(str(part) for part in first["loc"])
        raise StartRefusedError(f"{path}: {field}: {first['msg']}") from error


def without_null(value: Any) -> Any:
    """Leave out fields that are null, which mean the same as no field, such as `env: null`."""
    if isinstance(value, dict):
        return {key: without_null(one) for key, one in value.items() if one is not None}
    return [without_null(one) for one in value] if isinstance(value, list) else value


def _first(entries: Any) -> Mapping[str, tuple[Path, Any]]:
    found: dict[str, tuple[Path, Any]] = {}
    for folder, entry in entries:
        found.setdefault(entry.name, (folder, entry))
    return found


def _chosen(entries: Mapping[str, tuple[Path, Any]], kind: str, name: str, field: str) -> tuple[Path, Any]:
    if name not in entries:
        raise StartRefusedError(
            f"{field} names {name!r}, which isn't in {kind}. There are: {', '.join(entries) or '-'}"
        )
    return entries[name]


E = TypeVar("E", bound=_Entry)


def _absolute(folder: Path, entry: E, *fields: str) -> E:
    """Make paths absolute, which are relative to the folder of the entry's file."""
    return entry.model_copy(
        update={field: str(folder / getattr(entry, field)) for field in fields if getattr(entry, field)}
    )


def _user(folder: Path, user: UserEntry) -> UserEntry:
    plugin = user.exec
    if plugin is not None and os.sep in plugin.command:
        plugin = plugin.model_copy(update={"command": str(folder / plugin.command)})
    user = user.model_copy(update={"exec": plugin})
    return _absolute(folder, user, "client_certificate", "client_key", "token_file")
