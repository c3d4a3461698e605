"""People: who they are, in which teams they have which role, and the seal that keeps their rows genuine."""
