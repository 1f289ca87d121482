"""Chromium without a window, driven by selenium; nothing is downloaded here."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from selenium import webdriver
from selenium.common.exceptions import WebDriverException
from selenium.webdriver.chrome.service import Service

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
HOW_TO_GET_IT = "run  make browser  (or install chromium and its chromedriver)"
WIDTH, HEIGHT = 1440, 900


class NoBrowser(Exception):
    """There is no browser to look with; the text says what is missing and what to do."""


@contextmanager
def chromium() -> Iterator[webdriver.Chrome]:
    """A browser of its own, closed at the end. Raises NoBrowser."""
    browser = next(filter(None, map(shutil.which, BROWSERS)), None)
    driver = shutil.which("chromedriver")
    if not browser or not driver:
        raise NoBrowser(f"no {'chromedriver' if browser else 'Chromium'} on this machine: {HOW_TO_GET_IT}")
    try:
        opened = webdriver.Chrome(options=_options(browser), service=Service(driver))
    except WebDriverException as error:
        raise NoBrowser(f"Chromium does not start ({(error.msg or '').splitlines()[0]}): {HOW_TO_GET_IT}") from None
    try:
        yield opened
    finally:
        with suppress(WebDriverException):
            opened.quit()


def _options(browser: str) -> webdriver.ChromeOptions:
    options = webdriver.ChromeOptions()
    options.binary_location = browser
    options.add_argument("--headless=new")
    options.add_argument(f"--window-size={WIDTH},{HEIGHT}")
    options.add_argument("--hide-scrollbars")
    options.add_argument("--disable-dev-shm-usage")  # containers have little of it
    options.add_argument("--lang=en-US")
    if os.geteuid() == 0:
        options.add_argument("--no-sandbox")  # Chromium's own rule for root
    return options
