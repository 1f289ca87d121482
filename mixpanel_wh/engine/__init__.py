"""The sync itself: modes, packing, pipeline and the state machine, in standard library and Arrow only."""
