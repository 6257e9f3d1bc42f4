"""What is served."""

TEXT = "before"
