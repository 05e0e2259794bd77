"""Rules that hold in every answer: what may be shown where and when, to whom, and what is raised."""
