"""`python -m mixpanel_wh.cli` is `mixpanel-wh`."""

import sys

from mixpanel_wh.cli.entry import main

sys.exit(main())
