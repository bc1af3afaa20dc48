"""What attackers can do to the service: how much memory they cost, and how long others wait meanwhile."""
