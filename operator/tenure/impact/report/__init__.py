"""The impact as text for a terminal, Markdown for a pull request, or JSON for programs."""

from collections.abc import Callable, Mapping

from tenure.domain.impact.compare import Comparison
from tenure.impact.formats import OutputFormat
from tenure.impact.report.document import as_json
from tenure.impact.report.markdown import as_markdown
from tenure.impact.report.text import as_text

REPORTS: Mapping[OutputFormat, Callable[[Comparison], str]] = {
    OutputFormat.TEXT: as_text,
    OutputFormat.MARKDOWN: as_markdown,
    OutputFormat.JSON: as_json,
}
