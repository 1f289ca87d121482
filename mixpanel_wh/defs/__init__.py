"""The Dagster room: syncs as assets, IO managers, a resource, a component, schedules, sensors and checks."""
