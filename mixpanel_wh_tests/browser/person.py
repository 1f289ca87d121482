"""A person at the browser: opens pages, reads what is on them, clicks what is written on a button."""

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

PATIENCE_SECONDS = 60
LOOK_SECONDS = 0.1
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
        """Wait until all the texts stand on the page; returns all that stands there."""
        try:
            self._waits(lambda: all(text in self.page() for text in texts))
        except TimeoutException:
            missing = [text for text in texts if text not in self.page()]
            raise AssertionError(f"{missing} not on the page {self.driver.current_url}:\n{self.page()}") from None
        return self.page()

    def finds(self, xpath: str) -> WebElement:
        """Wait until an element is there and shown."""
        try:
            return self._waits(lambda: self._shown(xpath)[0])
        except TimeoutException:
            raise AssertionError(f"no {xpath} on the page {self.driver.current_url}:\n{self.page()}") from None

    def _shown(self, xpath: str) -> list[WebElement]:
        return [one for one in self.driver.find_elements(By.XPATH, xpath) if one.is_displayed()]

    def clicks(self, label: str) -> None:
        """Click what has the label: a button, a link, a tab, an entry of a menu."""
        kinds = ("button", "a", "*[@role='tab']", "*[@role='menuitem']")
        wanted = " | ".join(f"//{kind}[normalize-space()='{label}']" for kind in kinds)
        self.clicks_on(wanted)

    def clicks_on(self, xpath: str) -> None:
        """Click an element, once it is there and nothing covers it."""
        try:
            self._waits(lambda: self._clicked(xpath))
        except TimeoutException:
            raise AssertionError(f"no {xpath} on the page {self.driver.current_url}:\n{self.page()}") from None

    def _clicked(self, xpath: str) -> bool:
        self._shown(xpath)[0].click()
        return True

    def scrolls_to(self, xpath: str) -> None:
        """Bring an element to the top of what is seen."""
        self.driver.execute_script("arguments[0].scrollIntoView({block: 'start'})", self.finds(xpath))

    def is_on(self, name: str) -> bool:
        """Whether the switch in the row of a schedule or a sensor is on."""
        self.finds(_switch(name))
        return self._is_on(name)

    def switches(self, name: str, on: bool) -> None:
        """Click the switch in the row of a schedule or a sensor, and wait until it has moved."""
        self.clicks_on(_switch(name))
        self._waits(lambda: self._is_on(name) is on)

    def _is_on(self, name: str) -> bool:
        return self.driver.find_element(By.XPATH, f"{_switch(name)}/input").is_selected()

    def _waits(self, look: Callable[[], T]) -> T:
        """The first true thing that a look finds, while the page is still being drawn."""
        waiting = WebDriverWait(self.driver, PATIENCE_SECONDS, LOOK_SECONDS, DRAWING)
        return waiting.until(lambda _: look())


def _switch(name: str) -> str:
    row = f"//a[contains(@href, '/{name}')]/ancestor::*[contains(@class, 'VirtualizedTable_row')]"
    return f"{row}//label[contains(@class, 'formatSwitch')]"
