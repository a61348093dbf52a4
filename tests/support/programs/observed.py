"""A control plane with all components, and what they say of themselves."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from prometheus_client import Metric as Family
from prometheus_client.parser import text_string_to_metric_families

from support.programs.console_server import ConsoleServer
from support.programs.judged import Judged, judged_plane
from support.programs.mail_process import MailProcess
from support.programs.operator_process import OperatorProcess
from support.programs.verifier_process import VerifierProcess
from tenure.observability.metrics import Component


@dataclass(frozen=True)
class Observed:
    """The components' processes on a control plane on which changes are judged."""

    judged: Judged
    verifier: VerifierProcess
    mail: MailProcess
    console: ConsoleServer

    @property
    def processes(self) -> Mapping[Component, OperatorProcess]:
        """Each component's process."""
        return {
            Component.CONTROLLER: self.judged.operator,
            Component.WEBHOOK: self.judged.webhook,
            Component.VERIFIER: self.verifier,
            Component.MAIL: self.mail,
            Component.CONSOLE: self.console,
        }

    def value(self, component: Component, name: str, /, **labels: str) -> float:
        """What a component's metric shows."""
        return value(self.processes[component], name, **labels)


@contextmanager
def observed_plane(folder: Path) -> Iterator[Observed]:
    """Start everything in a folder."""
    with judged_plane(folder) as judged:
        log = folder / "verifier.log"
        mail = MailProcess(judged.plane.kubeconfig, folder / "mail.log")
        console = ConsoleServer.passing_through(judged.plane.kubeconfig, folder / "console.log")
        with VerifierProcess(judged.plane.kubeconfig, log, "--log-format=json") as verifier, mail, console:
            console.as_person("").get("/")
            yield Observed(judged, verifier, mail, console)


def scrape(process: OperatorProcess) -> Mapping[str, Family]:
    """What a process's `/metrics` shows, by the metric's name; counters with their `_total`."""
    code, text = process.ask("metrics")
    assert code == 200, text
    families = text_string_to_metric_families(text)
    return {f"{one.name}_total" if one.type == "counter" else one.name: one for one in families}


def value(process: OperatorProcess, name: str, /, **labels: str) -> float:
    """The sum of a metric's series with these labels; 0 where there are none."""
    family = scrape(process).get(name.removesuffix("_count"))
    samples = () if family is None else family.samples
    return sum(one.value for one in samples if one.name == name and labels.items() <= one.labels.items())
