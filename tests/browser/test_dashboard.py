"""The dashboard in a real browser: headless Chromium, driven by selenium."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from selenium.webdriver import Chrome
from selenium.webdriver.chrome.options import Options
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.support.expected_conditions import (
    element_to_be_clickable,
    text_to_be_present_in_element,
)
from selenium.webdriver.support.wait import WebDriverWait

from tests.search.serving import COMPLETE, PRUNED, STUDY, Dashboard, make_study, serving

pytestmark = pytest.mark.browser

FLAGS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--window-size=1400,2400",
)
PATIENCE_S = 60
TRIALS = (*COMPLETE, *PRUNED)


@pytest.fixture
def browser(tmp_path: Path) -> Iterator[Chrome]:
    """Yield a browser with an empty profile; where there is none, skip, but fail in continuous integration."""
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    driver = shutil.which("chromedriver")
    if chromium is None or driver is None:
        reason = "no chromium with a chromedriver is on PATH; on Debian: apt install chromium chromium-driver"
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)
    options = Options()
    options.binary_location = chromium
    for flag in (*FLAGS, f"--user-data-dir={tmp_path / 'profile'}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    chrome = Chrome(options=options, service=Service(driver))
    try:
        yield chrome
    finally:
        chrome.quit()


@pytest.fixture
def dashboard(database_url: str) -> Iterator[Dashboard]:
    """Yield a read-only dashboard with one study."""
    make_study(database_url)
    with serving(SEARCH_STORAGE=database_url) as served:
        yield served


def test_the_study_is_listed_and_its_page_draws_its_trials(browser: Chrome, dashboard: Dashboard) -> None:
    wait = WebDriverWait(browser, PATIENCE_S)
    browser.get(dashboard.url)
    wait.until(element_to_be_clickable((By.PARTIAL_LINK_TEXT, STUDY))).click()
    wait.until(lambda _: "/studies/" in browser.current_url)
    # The history has a point for each trial and a line for the best; the intermediate values add their own.
    reports = sum(len(curve) for curve in TRIALS)
    wait.until(lambda _: points(browser) >= len(TRIALS) + reports)
    wait.until(lambda _: lines(browser) >= 1 + len(TRIALS))
    assert errors(browser) == []


def test_pages_work_although_nothing_can_be_changed(browser: Chrome, dashboard: Dashboard) -> None:
    wait = WebDriverWait(browser, PATIENCE_S)
    pages = {"analytics": "Slice", "trials": "Intermediate Values", "smartSelection": "Parallel Coordinate"}
    for page, shown in pages.items():
        browser.get(f"{dashboard.url}dashboard/studies/1/{page}")
        wait.until(text_to_be_present_in_element((By.TAG_NAME, "body"), shown))
    assert errors(browser) == []


def points(browser: Chrome) -> int:
    """How many markers the page's plots have drawn."""
    return len(browser.find_elements(By.CSS_SELECTOR, "svg.main-svg .scatterlayer .points path.point"))


def lines(browser: Chrome) -> int:
    """How many lines the page's plots have drawn."""
    return len(browser.find_elements(By.CSS_SELECTOR, "svg.main-svg .scatterlayer path.js-line"))


def errors(browser: Chrome) -> list[str]:
    """What went wrong on the page, by its console; a browser asks for an icon whether or not there is one."""
    severe = [entry["message"] for entry in browser.get_log("browser") if entry["level"] == "SEVERE"]
    return [message for message in severe if "favicon" not in message]
