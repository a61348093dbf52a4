"""Which ClusterRoles, RoleBindings and Roles members get: pure functions."""
