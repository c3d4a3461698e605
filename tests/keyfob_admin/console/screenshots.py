"""Makes the pictures of the documentation, docs/images/console-*.png.

Run it with ``python -m tests.keyfob_admin.console.screenshots``.
"""

from __future__ import annotations

import asyncio
import random
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from playwright.async_api import async_playwright

from keyfob.management.key_listing import KeySearch
from keyfob.store.contract.key_store import Use
from keyfob.store.contract.use_details import Source, Tally
from tests.keyfob_admin.console.conftest import (
    ANA,
    ARGUMENTS,
    CHROMIUM,
    TEAM,
    Installation,
    LiveConsole,
    Visitor,
    installed,
    opened,
    running,
)
from tests.keyfob_admin.console.people import PASSPHRASE

if TYPE_CHECKING:
    from playwright.async_api import Browser, Page

FOLDER = Path(__file__).parents[3] / "docs" / "images"
WINDOW = {"width": 1280, "height": 800}


RULES = {"GET /items": "items:read", "POST /items": "items:write", "GET /reports/{id}": "reports:read"}
OTHERS = (
    "analytics-batch", "ci-deploy", "chat-bot, on-call channel", "customer portal", "dashboard datasource",
    "data-warehouse sync", "email-sender", "fraud-scorer", "image-proxy", "invoice-archive", "status-page", "terraform",
)  # fmt: skip


PEOPLE = (("Ana Ruiz", "owner"), ("Ben Okafor", "team_admin"), ("Cleo Marchetti", "member"), ("Dora Lind", "auditor"))


async def populate(installation: Installation) -> list[str]:
    """Invite people, give each of the first three every fourth key, and return the paths of the links."""
    async with installation.opened() as runtime:
        made = [
            await runtime.people.invite(
                f"{name.partition(' ')[0].lower()}@example.com", team=TEAM, role=role, name=name, actor=ANA
            )
            for name, role in PEOPLE
        ]
        found = await runtime.lifecycle.list_keys(KeySearch(TEAM, key_type="api", page_size=100), actor=ANA)
        for number, view in enumerate(found.items):
            if number % 4 < len(made) - 1:
                owner = {"owner": {"person": made[number % 4].person.id}}
                await runtime.lifecycle.update(TEAM, view.record.id, owner, actor=ANA)
    return [f"/invitation/{one.token}" for one in made]


async def furnish(installation: Installation) -> str:
    """Make keys as a team might have them, and give the id of the one to look at."""
    worker, _ = await installation.make(
        "billing-worker, production", permissions=("items:read", "reports:read"), description="Sends invoices at night"
    )
    partner, _ = await installation.make(
        "partner: Northwind", expires_at=datetime.now(UTC) + timedelta(days=6, hours=2)
    )
    export, _ = await installation.make("nightly-export", permissions=("reports:read",))
    laptops, _ = await installation.make("office laptops", key_type="computer")
    others = [(await installation.make(name))[0] for name in OTHERS]
    chance = random.Random(4)  # noqa: S311 - pictures that stay the same, no secrets
    async with installation.opened() as runtime:
        now = runtime.now()
        uses = {
            key.id: Use(
                now - timedelta(minutes=minutes),
                ip,
                {now.date() - timedelta(days=n): 20 + int(most * chance.random() ** 2) for n in range(30)},
                {now.date() - timedelta(days=n): chance.randrange(most // 6) for n in (3, 11, 12)},
            )
            for key, minutes, ip, most in (
                (worker, 3, "203.0.113.24", 900),
                (partner, 95, "198.51.100.7", 300),
                (laptops, 1500, "2001:db8::17", 60),
            )
        }
        uses |= {key.id: _some_use(now, chance) for key in others}
        await runtime.store.add_usage(uses)
        await runtime.store.add_usage({worker.id: Use(details=_details(now))})
        await runtime.lifecycle.update(TEAM, worker.id, {"permissions": ["items:read", "items:write"]}, actor=ANA)
        await runtime.lifecycle.disable(TEAM, export.id, actor=ANA)
    return worker.id


def _some_use(now: datetime, chance: random.Random) -> Use:
    most = chance.choice((12, 300, 4000))
    days = {now.date() - timedelta(days=n): int(most * chance.random()) for n in range(30)}
    return Use(now - timedelta(minutes=chance.randrange(4000)), f"203.0.113.{chance.randrange(9, 90)}", days)


def _details(now: datetime) -> dict[Source, Tally]:
    """Where the worker's requests came from, by which rules they were judged, and why some were refused."""
    day, moment, hour = now.toordinal(), int(now.timestamp() * 1_000_000), 3_600_000_000

    def tally(hours: int, admitted: int, denied: int = 0) -> Tally:
        return Tally(moment - hours * hour, moment - hour // 20, admitted, denied)

    return {
        Source(day, "203.0.113.24", "GET /items", ""): tally(700, 6_380),
        Source(day, "2001:db8:85a3::7", "POST /items", ""): tally(90, 412),
        Source(day, "198.51.100.7", "GET /reports/{id}", "permission"): tally(40, 0, 227),
    }


async def take(page: Page, key_id: str, kind: str) -> None:
    """Walk to the pages that are shown, and take their pictures."""

    async def shot(name: str) -> None:
        await page.screenshot(path=FOLDER / f"console-{name}{kind}.png")

    await page.set_viewport_size(WINDOW)  # type: ignore[arg-type] # a dict of these two
    await page.goto("/keys")
    await shot("keys")
    if kind:
        return
    await page.goto("/people")
    await shot("people")
    await page.goto("/keys")
    for name in ("status-page", "terraform", "image-proxy"):
        await page.get_by_label(f"Select {name}").check()
    await page.get_by_role("button", name="Disable 3 keys…").click()
    await shot("many")
    await page.goto("/keys")
    await page.get_by_label("Search, or paste").fill(f"12:04:31 GET /items 200 kf_api_{key_id} 203.0.113.24")
    await page.keyboard.press("Enter")
    await page.wait_for_url("**/find")
    await shot("found")
    await page.goto(f"/keys/{key_id}")
    await shot("key")
    await page.get_by_role("button", name="Replace Key").first.click()
    await shot("replace")
    await page.goto(f"/keys/{key_id}/duplicate")
    await page.get_by_label("users:read").check()
    await page.get_by_label("items:write").uncheck()
    await page.get_by_label("items:read").scroll_into_view_if_needed()
    await shot("duplicate")
    await page.get_by_role("button", name="Generate Key").click()
    await page.get_by_role("button", name="Hide").click()
    await shot("reveal")
    await page.get_by_label("I have stored").check()


async def main() -> None:
    """Serve a console in a temporary folder and take its pictures."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        installation = await installed(Path(folder), rules=RULES)
        key_id = await furnish(installation)
        links = await populate(installation)
        with running(installation) as url:
            for link in links[:-1]:  # the last one has not come yet
                with Visitor(url) as visitor:
                    visitor.send_form(link, passphrase=PASSPHRASE, again=PASSPHRASE)
            async with async_playwright() as playwright:
                browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
                await _both(browser, LiveConsole(url, installation), key_id)
                await browser.close()


async def _both(browser: Browser, live: LiveConsole, key_id: str) -> None:
    async with opened(browser, live) as page:
        await take(page, key_id, "")
    async with opened(browser, live, color_scheme="dark") as page:
        await take(page, key_id, "-dark")


if __name__ == "__main__":
    asyncio.run(main())
