"""Facts about terms of the IR: what the passes and the audit ask before they act."""
