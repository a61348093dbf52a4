"""The controller of access in Kubernetes: RoleBindings for members, and Roles for the Secrets of their own keys."""
