"""Tests of mixpanel_wh: the same rooms as the package, with acceptance and property suites beside them."""
