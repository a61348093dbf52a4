"""`tenure impact`: report which API keys a change to manifests revokes, without a cluster."""
