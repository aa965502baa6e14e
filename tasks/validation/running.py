"""Run suites with Great Expectations in memory, and bring back plain outcomes and the Data Docs pages."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd
    from great_expectations.expectations import Expectation

EXAMPLES = 5
"""Unexpected values shown for a failing expectation."""


@dataclass(frozen=True)
class Table:
    """A frame and the suite it must meet; `name` is how the pages and messages call it."""

    name: str
    frame: pd.DataFrame
    suite: Sequence[Expectation]


@dataclass(frozen=True)
class Outcome:
    """What came of one expectation. `wanted` are its bounds or its allowed values, in words; `examples` are unexpected
    values; `observed` is the value of a whole-table one."""

    table: str
    expectation: str
    column: str
    description: str
    wanted: str
    warning: bool
    success: bool
    unexpected: int
    examples: tuple[str, ...]
    observed: str

    def message(self) -> str:
        """One line for a log."""
        what = f"{self.table}.{self.column}" if self.column else self.table
        told = f" ({self.description})" if self.description else ""
        shown = ", ".join(self.examples) or self.observed
        count = f"{self.unexpected} rows, for example " if self.unexpected else ""
        return f"{what} {self.expectation}{told}: {count}{shown}"


def run_suites(tables: Sequence[Table], pages: Path) -> list[Outcome]:
    """Outcomes in the order of the tables; Great Expectations' Data Docs are left in the folder `pages`."""
    os.environ.setdefault("GX_ANALYTICS_ENABLED", "false")
    import great_expectations as gx
    from great_expectations.data_context.types.base import ProgressBarsConfig

    logging.getLogger("great_expectations").setLevel(logging.WARNING)
    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = ProgressBarsConfig(globally=False)
    _put_pages_into(context, pages)
    outcomes: list[Outcome] = []
    for table in tables:
        outcomes += [_outcome(table.name, result) for result in _run(gx, context, table).results]
    context.build_data_docs()
    return outcomes


def _put_pages_into(context: Any, pages: Path) -> None:
    context.add_data_docs_site(
        "pages",
        {
            "class_name": "SiteBuilder",
            "site_index_builder": {"class_name": "DefaultSiteIndexBuilder"},
            "store_backend": {"class_name": "TupleFilesystemStoreBackend", "base_directory": str(pages)},
        },
    )
    context.delete_data_docs_site("local_site")


def _run(gx: Any, context: Any, table: Table) -> Any:
    """Great Expectations' own result of one table."""
    suite = context.suites.add(gx.ExpectationSuite(name=table.name, expectations=list(table.suite)))
    source = context.data_sources.add_pandas(table.name)
    batch = source.add_dataframe_asset(table.name).add_batch_definition_whole_dataframe(table.name)
    definition = context.validation_definitions.add(
        gx.ValidationDefinition(name=table.name, data=batch, suite=suite)
    )
    shown = {"result_format": "BASIC", "partial_unexpected_count": EXAMPLES}
    return definition.run(batch_parameters={"dataframe": table.frame}, result_format=shown)


def _outcome(table: str, result: Any) -> Outcome:
    config, found = result.expectation_config, result.result or {}
    columns = config.kwargs.get("column") or config.kwargs.get("column_list")
    pair = [config.kwargs[name] for name in ("column_A", "column_B") if name in config.kwargs]
    named = columns if isinstance(columns, str) else ", ".join(columns or pair)
    return Outcome(
        table=table,
        expectation=config.type,
        column=named,
        description=config.description or "",
        wanted=_wanted(config.kwargs),
        warning=str(getattr(config.severity, "value", config.severity)) == "warning",
        success=bool(result.success),
        unexpected=int(found.get("unexpected_count", 0)),
        examples=tuple(_shown(value) for value in found.get("partial_unexpected_list", ())),
        observed=_shown(found["observed_value"]) if "observed_value" in found else _raised(result),
    )


def _wanted(settings: Mapping[str, Any]) -> str:
    if values := settings.get("value_set"):
        return ", ".join(map(str, values))
    low, high = settings.get("min_value"), settings.get("max_value")
    if low is not None and high is not None:
        return f"{_shown(low)} and {_shown(high)}"
    return " ".join(
        f"{name} {_shown(bound)}"
        for name, bound in (("at least", low), ("at most", high))
        if bound is not None
    )


def _shown(value: Any) -> str:
    if isinstance(value, float):
        value = round(float(value), 6)
    return (value if isinstance(value, str) else repr(value))[:300]


def _raised(result: Any) -> str:
    """The message of an expectation that could not be evaluated."""
    messages = [
        info["exception_message"] for info in _infos(result.exception_info) if info["raised_exception"]
    ]
    return "; ".join(messages)[:300]


def _infos(info: Mapping[str, Any] | None) -> list[Mapping[str, Any]]:
    if not info:
        return []
    return [info] if "raised_exception" in info else list(info.values())
