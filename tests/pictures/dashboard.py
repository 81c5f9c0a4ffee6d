"""The picture of the dashboard, in a headless Chromium."""

from __future__ import annotations

import time

from selenium.webdriver import Chrome
from selenium.webdriver.common.by import By
from selenium.webdriver.support.wait import WebDriverWait

WIDTH_PIXELS = 1300
PATIENCE_SECONDS = 60


def photograph_dashboard(browser: Chrome, url: str) -> bytes:
    """Return a PNG of the first study's page, from its top to the end of the timeline, once its plots are drawn."""
    wait = WebDriverWait(browser, PATIENCE_SECONDS)
    browser.get(f"{url}dashboard/studies/1")
    points = "svg.main-svg .scatterlayer .points path.point"
    wait.until(lambda _: len(browser.find_elements(By.CSS_SELECTOR, points)) > 3)
    timeline = "//*[contains(@class, 'MuiCard-root')][contains(., 'Timeline')]"
    bottom = wait.until(lambda _: browser.find_element(By.XPATH, timeline)).rect
    size = {"width": WIDTH_PIXELS, "height": int(bottom["y"] + bottom["height"]) + 12}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", {**size, "deviceScaleFactor": 1, "mobile": False})
    time.sleep(3)  # plots are drawn again for the new size, and animated
    return browser.get_screenshot_as_png()
