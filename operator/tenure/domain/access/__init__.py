"""Decides which ClusterRoles, RoleBindings and Roles members get, as pure functions."""
