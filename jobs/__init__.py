"""What runs on the cluster: the only code that imports ray."""
