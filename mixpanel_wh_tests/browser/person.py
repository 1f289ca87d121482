"""A person at the browser: opens pages, reads what is on them, clicks what is written on a button."""

import time
from collections.abc import Callable
from typing import TypeVar

from selenium.common.exceptions import (
    ElementClickInterceptedException,
    NoSuchElementException,
    StaleElementReferenceException,
    TimeoutException,
)
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webdriver import WebDriver
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.wait import WebDriverWait

PATIENCE_SECONDS = 180
LOOK_SECONDS = 0.1
CLICK_AGAIN_SECONDS = 3
"""How long something may come of a click: one that meets a page while it is drawn anew is lost."""
DRAWING = (StaleElementReferenceException, NoSuchElementException, ElementClickInterceptedException, IndexError)
"""What a look may meet while the page is still being drawn."""

T = TypeVar("T")


class Person:
    """Looks at the pages below one address."""

    def __init__(self, driver: WebDriver, address: str) -> None:
        self.driver, self.address = driver, address

    def opens(self, path: str) -> None:
        """Go to a page."""
        self.driver.get(f"{self.address}{path}")

    def page(self) -> str:
        """Everything that can be read now, white space as one blank."""
        return " ".join(self.driver.find_element(By.TAG_NAME, "body").text.split())

    def reads(self, *texts: str) -> str:
        """Wait until all the texts stand on the page; returns all that stood there then."""
        shown = ""

        def missing() -> list[str]:
            nonlocal shown
            shown = self.page()
            return [text for text in texts if text not in shown]

        self._waits(lambda: not missing(), f"not all of {list(texts)}")
        return shown

    def finds(self, xpath: str) -> WebElement:
        """Wait until an element is there and shown."""
        return self._waits(lambda: self._shown(xpath)[0], f"no {xpath}")

    def _shown(self, xpath: str) -> list[WebElement]:
        return [one for one in self.driver.find_elements(By.XPATH, xpath) if one.is_displayed()]

    def clicks(self, label: str) -> None:
        """Click what has the label: a button, a link, a tab, an entry of a menu."""
        kinds = ("button", "a", "*[@role='tab']", "*[@role='menuitem']")
        wanted = " | ".join(f"//{kind}[normalize-space()='{label}']" for kind in kinds)
        self.clicks_on(wanted)

    def clicks_on(self, xpath: str) -> None:
        """Click an element, once it is there, can be clicked and nothing covers it."""
        self._waits(lambda: self._clicked(xpath), f"nothing to click at {xpath}")

    def follows(self, label: str, path: str) -> None:
        """Click a link, which may be gone soon, until the page that it leads to is open: one with `path` in its address."""
        there = self._clicker(f"//a[normalize-space()='{label}']", lambda: path in self.driver.current_url)
        self._waits(there, f"no link {label!r} to {path}")

    def _clicked(self, xpath: str) -> bool:
        """Whether there was something to click. What is disabled takes a click without a word, and loses it."""
        one = self._shown(xpath)[0]
        if not one.is_enabled() or one.get_attribute("aria-disabled") == "true":
            return False
        one.click()
        return True

    def _clicker(self, xpath: str, done: Callable[[], bool]) -> Callable[[], bool]:
        """A look that clicks, and clicks again whenever it is not done a while after that."""
        again = time.monotonic()

        def look() -> bool:
            nonlocal again
            if done():
                return True
            if time.monotonic() >= again and self._clicked(xpath):
                again = time.monotonic() + CLICK_AGAIN_SECONDS
            return False

        return look

    def scrolls_to(self, xpath: str) -> None:
        """Bring an element to the top of what is seen."""
        self.driver.execute_script("arguments[0].scrollIntoView({block: 'start'})", self.finds(xpath))

    def is_on(self, name: str) -> bool:
        """Whether the switch in the row of a schedule or a sensor is on, once its state is known."""
        return self._waits(lambda: "on" if self._is_on(name) else "off", f"no switch of {name}") == "on"

    def switches(self, name: str, on: bool) -> None:
        """Click the switch in the row of a schedule or a sensor, which has to stand the other way, until it has moved."""
        wanted = f"switch of {name} that is {'on' if on else 'off'}"
        self._waits(lambda: self._is_on(name) is not on, f"not one moment without a {wanted}")
        self._waits(self._clicker(_switch(name), lambda: self._is_on(name) is on), f"no {wanted}")

    def _is_on(self, name: str) -> bool:
        return self.driver.find_element(By.XPATH, f"{_switch(name)}/input").is_selected()

    def _waits(self, look: Callable[[], T], complaint: str) -> T:
        """The first true thing that a look finds, while the page is still being drawn."""
        waiting = WebDriverWait(self.driver, PATIENCE_SECONDS, LOOK_SECONDS, DRAWING)
        try:
            return waiting.until(lambda _: look())
        except TimeoutException:
            raise AssertionError(f"{complaint} on the page {self.driver.current_url}:\n{self.page()}") from None


def _switch(name: str) -> str:
    """Where a switch is that knows its state and can be clicked.

    Before the state has arrived Dagster draws one that is off and disabled, and after a click the switch is disabled
    until the server has answered.
    """
    row = f"//a[contains(@href, '/{name}')]/ancestor::*[contains(@class, 'VirtualizedTable_row')]"
    return f"{row}//label[contains(@class, 'formatSwitch')][input[not(@disabled)]]"
