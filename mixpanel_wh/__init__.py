"""mixpanel_wh keeps Mixpanel equal to a data warehouse: every table to sync is a Dagster asset."""
