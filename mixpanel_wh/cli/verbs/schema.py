"""`mixpanel-wh schema`: the JSON schema of the project file, for editors that complete and check YAML."""

from argparse import Namespace

from mixpanel_wh.cli.screen import print_json
from mixpanel_wh.config.schema import project_schema


def execute(options: Namespace) -> int:
    """Print the schema; exit status 0."""
    print_json(project_schema())
    return 0
