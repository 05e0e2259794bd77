"""What has happened since the last run, in every answer: taking events in, and joining them to histories."""
