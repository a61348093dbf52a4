"""One real Kubernetes node in namespaces of its own, with pods, Services and DNS, and without a container engine."""
