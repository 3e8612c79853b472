"""The audit: what a loss claims, proved or refuted."""
