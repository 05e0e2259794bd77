"""The stages from listening data to a published index, one file each: inputs beside the work."""
