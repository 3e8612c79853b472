"""The derived gradient of a loss against independent oracles."""
