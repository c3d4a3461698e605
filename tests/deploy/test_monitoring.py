"""The files in ``examples/monitoring/``, as Prometheus itself reads them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]

from tests.promtool import promtool

MONITORING = Path(__file__).parents[2] / "examples" / "monitoring"
RULES: list[dict[str, Any]] = yaml.safe_load((MONITORING / "alerts.yaml").read_text())["groups"][0]["rules"]


def test_prometheus_takes_its_configuration_with_the_rules() -> None:
    """Promtool reads both and finds every rule; a bracket that is missing it would find, too."""
    code, report = promtool("check", "config", str(MONITORING / "prometheus.yaml"))

    assert (0, True) == (code, f"{len(RULES)} rules found" in report)


def test_each_alert_fires_on_its_series_and_on_none_beside(tmp_path: Path) -> None:
    """The unit tests of the rules pass, and name each alert once as firing and once as silent."""
    tests = yaml.safe_load((MONITORING / "alerts-test.yaml").read_text())["tests"]
    checks = [
        (check["alertname"], bool(check.get("exp_alerts"))) for test in tests for check in test["alert_rule_test"]
    ]

    assert {(rule["alert"], fires) for rule in RULES for fires in (True, False)} == set(checks)
    assert (0, True) == _unit_tests(tmp_path, (MONITORING / "alerts.yaml").read_text())


@pytest.mark.parametrize(
    "change",
    [
        ("absent(keyfob_requests_total)", "absent(keyfob_cache_entries)"),
        ("(keyfob_staleness_seconds) > 5", "(keyfob_staleness_seconds) > 4"),
        ("max by (job) (keyfob_staleness", "min by (job) (keyfob_staleness"),
        ("|limits_unavailable", ""),
        ('{operation="usage"}', ""),
        ("max by (job) (keyfob_limits_degraded)", "min by (job) (keyfob_limits_degraded)"),
        ("> 10 * sum", "> 3 * sum"),
        ('reason="disabled"', 'reason=~".+"'),
    ],
    ids=lambda change: change[1] or change[0],
)
def test_the_unit_tests_notice_a_changed_rule(tmp_path: Path, change: tuple[str, str]) -> None:
    """An expression that is off by a little fails them."""
    rules = (MONITORING / "alerts.yaml").read_text()
    assert change[0] in rules

    assert (1, False) == _unit_tests(tmp_path, rules.replace(*change))


def _unit_tests(folder: Path, rules: str) -> tuple[int, bool]:
    (folder / "alerts.yaml").write_text(rules)
    (folder / "alerts-test.yaml").write_text((MONITORING / "alerts-test.yaml").read_text())
    code, report = promtool("test", "rules", str(folder / "alerts-test.yaml"))
    return code, "SUCCESS" in report
