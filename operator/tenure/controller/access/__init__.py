"""Reconciles access to Kubernetes: RoleBindings for members, and Roles for the Secrets of their own keys."""
